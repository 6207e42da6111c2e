#pragma once
#include <fulmen/nn/module.h>

// Checks of module inputs that end in the message catalogue (E001, E002, E007).
namespace fulmen::nn {

/// For a module whose weight is [out, in]: input must be [*, in] (E001) and of the weight's dtype (E002).
void check_features(const Module& module, const Tensor& input, const Tensor& weight);

/// For a loss over equal shapes: broadcasting a target silently is a mistake (E007).
void check_same_shape(const char* loss, const Tensor& input, const Tensor& target);

}  // namespace fulmen::nn
