#pragma once
#include <fulmen/tensor/tensor.h>

#include <vector>

namespace fulmen::nn::utils {

/// Scales all gradients by one factor so that their joint norm is at most max_norm; returns the norm before.
/// `norm_type` may be infinity (the largest absolute value). With error_if_nonfinite, a norm that is infinite or not a
/// number is an error and the gradients stay as they are.
double clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm, double norm_type = 2.0,
                       bool error_if_nonfinite = false);
double clip_grad_norm_(std::initializer_list<Tensor> parameters, double max_norm, double norm_type = 2.0,
                       bool error_if_nonfinite = false);
double clip_grad_norm_(const Tensor& parameter, double max_norm, double norm_type = 2.0,
                       bool error_if_nonfinite = false);

/// The same without waiting for a CUDA device: norm and factor stay there. Returns the norm, undefined if there are no
/// gradients.
Tensor clip_grad_norm_on_device_(const std::vector<Tensor>& parameters, double max_norm, double norm_type = 2.0);

/// Limits every element of every gradient to -clip_value..clip_value.
void clip_grad_value_(const std::vector<Tensor>& parameters, double clip_value);
void clip_grad_value_(std::initializer_list<Tensor> parameters, double clip_value);
void clip_grad_value_(const Tensor& parameter, double clip_value);

}  // namespace fulmen::nn::utils
