#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/comparison.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/random.h>
#include <fulmen/nn/init.h>

#include <algorithm>
#include <cmath>

namespace fulmen::nn::init {
namespace {

double kaiming_std(const Tensor& tensor, double a, FanMode mode, Nonlinearity nonlinearity) {
  const auto [fan_in, fan_out] = _calculate_fan_in_and_fan_out(tensor);
  const int64_t fan = mode.is<enumtype::kFanIn>() ? fan_in : fan_out;
  return calculate_gain(nonlinearity, a) / std::sqrt(static_cast<double>(fan));
}

double xavier_std(const Tensor& tensor, double gain) {
  const auto [fan_in, fan_out] = _calculate_fan_in_and_fan_out(tensor);
  return gain * std::sqrt(2.0 / static_cast<double>(fan_in + fan_out));
}

// Orthonormal columns of a tall matrix [rows, cols] by Householder reflections, with the signs that make the triangular
// factor's diagonal positive, as PyTorch does after LAPACK's QR.
Tensor orthonormal_columns(const Tensor& matrix) {
  const int64_t rows = matrix.size(0), cols = matrix.size(1);
  const Tensor factor = matrix.to(Device(kCPU), kDouble).clone();
  const Tensor result = zeros({rows, cols}, kDouble);
  double* a = factor.data_ptr<double>();
  double* q = result.data_ptr<double>();
  std::vector<double> scale(static_cast<size_t>(cols)), sign(static_cast<size_t>(cols));
  for (int64_t k = 0; k < cols; ++k) {
    double norm = 0;
    for (int64_t i = k; i < rows; ++i) norm += a[i * cols + k] * a[i * cols + k];
    norm = std::sqrt(norm);
    const double alpha = a[k * cols + k] > 0 ? -norm : norm;
    sign[static_cast<size_t>(k)] = alpha < 0 ? -1 : 1;
    a[k * cols + k] -= alpha;
    double square = 0;
    for (int64_t i = k; i < rows; ++i) square += a[i * cols + k] * a[i * cols + k];
    scale[static_cast<size_t>(k)] = square > 0 ? 2 / square : 0;
    for (int64_t j = k + 1; j < cols; ++j) {
      double dot = 0;
      for (int64_t i = k; i < rows; ++i) dot += a[i * cols + k] * a[i * cols + j];
      dot *= scale[static_cast<size_t>(k)];
      for (int64_t i = k; i < rows; ++i) a[i * cols + j] -= dot * a[i * cols + k];
    }
  }
  for (int64_t j = 0; j < cols; ++j) q[j * cols + j] = sign[static_cast<size_t>(j)];
  for (int64_t k = cols - 1; k >= 0; --k) {
    for (int64_t j = k; j < cols; ++j) {
      double dot = 0;
      for (int64_t i = k; i < rows; ++i) dot += a[i * cols + k] * q[i * cols + j];
      dot *= scale[static_cast<size_t>(k)];
      for (int64_t i = k; i < rows; ++i) q[i * cols + j] -= dot * a[i * cols + k];
    }
  }
  return result.to(matrix.options());
}

}  // namespace

std::pair<int64_t, int64_t> _calculate_fan_in_and_fan_out(const Tensor& tensor) {
  FULMEN_CHECK(tensor.dim() >= 2,
               "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions; got ", tensor);
  int64_t field = 1;
  for (int64_t d = 2; d < tensor.dim(); ++d) field *= tensor.size(d);
  return {tensor.size(1) * field, tensor.size(0) * field};
}

double calculate_gain(Nonlinearity nonlinearity, double param) {
  if (nonlinearity.is<enumtype::kTanh>()) return 5.0 / 3.0;
  if (nonlinearity.is<enumtype::kReLU>()) return std::sqrt(2.0);
  if (nonlinearity.is<enumtype::kLeakyReLU>()) return std::sqrt(2.0 / (1 + param * param));
  if (nonlinearity.is<enumtype::kSELU>()) return 0.75;
  return 1.0;
}

Tensor constant_(Tensor tensor, const Scalar& value) {
  NoGradGuard no_grad;
  tensor.fill_(value);
  return tensor;
}
Tensor ones_(Tensor tensor) { return constant_(std::move(tensor), 1); }
Tensor zeros_(Tensor tensor) { return constant_(std::move(tensor), 0); }
Tensor uniform_(Tensor tensor, double low, double high) {
  NoGradGuard no_grad;
  tensor.uniform_(low, high);
  return tensor;
}
Tensor normal_(Tensor tensor, double mean, double std) {
  NoGradGuard no_grad;
  tensor.normal_(mean, std);
  return tensor;
}

Tensor eye_(Tensor matrix) {
  NoGradGuard no_grad;
  FULMEN_CHECK(matrix.dim() == 2, "Only tensors with 2 dimensions are supported; got ", matrix);
  matrix.zero_();
  matrix.diagonal().fill_(1);
  return matrix;
}

Tensor dirac_(Tensor tensor, int64_t groups) {
  NoGradGuard no_grad;
  FULMEN_CHECK(tensor.dim() >= 3 && tensor.dim() <= 5, "Only tensors with 3, 4, or 5 dimensions are supported; got ",
               tensor);
  FULMEN_CHECK(groups > 0 && tensor.size(0) % groups == 0, "dirac_: the ", tensor.size(0),
               " output channels do not divide into ", groups, " groups");
  tensor.zero_();
  Tensor centre = tensor;
  for (int64_t d = tensor.dim() - 1; d >= 2; --d) centre = centre.select(d, tensor.size(d) / 2);
  const int64_t rows = tensor.size(0) / groups;
  for (int64_t g = 0; g < groups; ++g) centre.narrow(0, g * rows, rows).diagonal().fill_(1);
  return tensor;
}

Tensor trunc_normal_(Tensor tensor, double mean, double std, double low, double high) {
  NoGradGuard no_grad;
  FULMEN_CHECK(low < high && std > 0, "trunc_normal_: needs low < high and std > 0; got ", low, ", ", high, ", ", std);
  const auto below = [&](double x) { return (1 + std::erf((x - mean) / (std * std::sqrt(2.0)))) / 2; };
  const Tensor draw = empty_like(tensor);
  if (below(high) - below(low) > 0.3) {
    // Most normal numbers fall inside: draw until all do.
    tensor.normal_(mean, std);
    for (Tensor outside; outside = (tensor < low).logical_or(tensor > high), outside.any().item<bool>();) {
      tensor.copy_(draw.normal_(mean, std).where(outside, tensor));
    }
    return tensor;
  }
  // Otherwise uniform candidates, each accepted with the ratio of its density to the largest inside.
  const double peak = std::max(low, std::min(mean, high));
  const double log_peak = -0.5 * std::pow((peak - mean) / std, 2);
  const auto rejected = [&](const Tensor& candidates) {
    const Tensor log_density = ((candidates - mean) / std).pow(2) * -0.5 - log_peak;
    return draw.uniform_().log().gt(log_density);
  };
  tensor.uniform_(low, high);
  Tensor pending = rejected(tensor);
  while (pending.any().item<bool>()) {
    const Tensor candidates = empty_like(tensor).uniform_(low, high);
    tensor.copy_(candidates.where(pending, tensor));
    pending = pending.logical_and(rejected(candidates));
  }
  return tensor;
}

Tensor orthogonal_(Tensor tensor, double gain) {
  NoGradGuard no_grad;
  FULMEN_CHECK(tensor.dim() >= 2, "Only tensors with 2 or more dimensions are supported; got ", tensor);
  const int64_t rows = tensor.size(0), cols = rows ? tensor.numel() / rows : 0;
  const Tensor normal = randn({rows, cols}, tensor.options());
  const Tensor q = rows < cols ? orthonormal_columns(normal.t()).t() : orthonormal_columns(normal);
  tensor.copy_(q.reshape(tensor.sizes()));
  tensor.mul_(gain);
  return tensor;
}

Tensor sparse_(Tensor tensor, double sparsity, double std) {
  NoGradGuard no_grad;
  FULMEN_CHECK(tensor.dim() == 2, "Only tensors with 2 dimensions are supported; got ", tensor);
  const int64_t rows = tensor.size(0);
  const auto zero_rows = static_cast<int64_t>(std::ceil(sparsity * static_cast<double>(rows)));
  tensor.normal_(0, std);
  for (int64_t column = 0; column < tensor.size(1); ++column) {
    const Tensor order = randperm(rows, kLong);
    const int64_t* row = order.data_ptr<int64_t>();
    for (int64_t i = 0; i < zero_rows; ++i) tensor.select(1, column).select(0, row[i]).zero_();
  }
  return tensor;
}

Tensor kaiming_uniform_(Tensor tensor, double a, FanMode mode, Nonlinearity nonlinearity) {
  if (tensor.numel() == 0) return tensor;
  const double bound = std::sqrt(3.0) * kaiming_std(tensor, a, mode, nonlinearity);
  return uniform_(std::move(tensor), -bound, bound);
}
Tensor kaiming_normal_(Tensor tensor, double a, FanMode mode, Nonlinearity nonlinearity) {
  if (tensor.numel() == 0) return tensor;
  const double std = kaiming_std(tensor, a, mode, nonlinearity);
  return normal_(std::move(tensor), 0, std);
}
Tensor xavier_uniform_(Tensor tensor, double gain) {
  const double bound = std::sqrt(3.0) * xavier_std(tensor, gain);
  return uniform_(std::move(tensor), -bound, bound);
}
Tensor xavier_normal_(Tensor tensor, double gain) {
  const double std = xavier_std(tensor, gain);
  return normal_(std::move(tensor), 0, std);
}

}  // namespace fulmen::nn::init
