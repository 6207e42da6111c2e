#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/join.h>
#include <fulmen/nn/utils/clip_grad.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace fulmen::nn::utils {

namespace {

std::vector<Tensor> gradients_of(const std::vector<Tensor>& parameters) {
  std::vector<Tensor> grads;
  for (const Tensor& parameter : parameters) {
    if (parameter.grad().defined()) grads.push_back(parameter.grad());
  }
  return grads;
}

/// The norm of the gradients' norms, in the gradients' own precision as in PyTorch.
Tensor norm_of(const std::vector<Tensor>& grads, double norm_type) {
  std::vector<Tensor> norms;
  norms.reserve(grads.size());
  const bool infinite_order = norm_type == std::numeric_limits<double>::infinity();
  for (const Tensor& grad : grads) {
    norms.push_back(infinite_order ? grad.abs().max() : grad.norm(norm_type));
    if (norms.back().device() != norms.front().device()) norms.back() = norms.back().to(norms.front().device());
  }
  if (norms.size() == 1) return norms[0];
  const Tensor all = stack(norms);
  return infinite_order ? all.max() : all.norm(norm_type);
}

}  // namespace

Tensor clip_grad_norm_on_device_(const std::vector<Tensor>& parameters, double max_norm, double norm_type) {
  NoGradGuard no_grad;
  const std::vector<Tensor> grads = gradients_of(parameters);
  if (grads.empty()) return Tensor();
  const Tensor total = norm_of(grads, norm_type), factor = (max_norm / (total + 1e-6)).clamp_max(1.0);
  for (const Tensor& grad : grads) grad.mul_(factor.to(grad.device()));
  return total;
}

double clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm, double norm_type,
                       bool error_if_nonfinite) {
  NoGradGuard no_grad;
  const std::vector<Tensor> grads = gradients_of(parameters);
  if (grads.empty()) return 0;
  const Tensor total = norm_of(grads, norm_type);
  const double total_norm = total.item().toDouble();
  FULMEN_CHECK(!error_if_nonfinite || std::isfinite(total_norm), "clip_grad_norm_: the total norm of order ", norm_type,
               " of the gradients is non-finite (", total_norm,
               "), so they cannot be clipped; pass error_if_nonfinite = false to scale them by it anyway");
  const double factor = std::min(1.0, max_norm / (total_norm + 1e-6));
  // A norm that is not a number spreads, as it does in PyTorch.
  if (factor < 1.0 || std::isnan(total_norm)) {
    for (const Tensor& grad : grads) grad.mul_(std::isnan(total_norm) ? total_norm : factor);
  }
  return total_norm;
}
double clip_grad_norm_(std::initializer_list<Tensor> parameters, double max_norm, double norm_type,
                       bool error_if_nonfinite) {
  return clip_grad_norm_(std::vector<Tensor>(parameters), max_norm, norm_type, error_if_nonfinite);
}
double clip_grad_norm_(const Tensor& parameter, double max_norm, double norm_type, bool error_if_nonfinite) {
  return clip_grad_norm_(std::vector<Tensor>{parameter}, max_norm, norm_type, error_if_nonfinite);
}

void clip_grad_value_(const std::vector<Tensor>& parameters, double clip_value) {
  NoGradGuard no_grad;
  for (const Tensor& parameter : parameters) {
    if (parameter.grad().defined()) parameter.grad().clamp_(-clip_value, clip_value);
  }
}
void clip_grad_value_(std::initializer_list<Tensor> parameters, double clip_value) {
  clip_grad_value_(std::vector<Tensor>(parameters), clip_value);
}
void clip_grad_value_(const Tensor& parameter, double clip_value) {
  clip_grad_value_(std::vector<Tensor>{parameter}, clip_value);
}

}  // namespace fulmen::nn::utils
