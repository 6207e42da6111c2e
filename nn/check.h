#pragma once
#include <fulmen/nn/module.h>

// Checks of module inputs that end in the message catalogue (E001, E002, E007, E008).
namespace fulmen::nn {

/// For a module whose weight is [out, in]: input must be [*, in] (E001) and of the weight's dtype (E002).
void check_features(const Module& module, const Tensor& input, const Tensor& weight);

/// For a loss over equal shapes: broadcasting a target silently is a mistake (E007).
void check_same_shape(const char* loss, const Tensor& input, const Tensor& target);

/// For a loss over class indices: int64 indices within 0..classes-1 or ignore_index, on the classes' device (E008).
void check_labels(const char* loss, const Tensor& target, int64_t classes, int64_t ignore_index);

}  // namespace fulmen::nn
