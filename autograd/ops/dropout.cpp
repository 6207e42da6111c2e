#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/dropout.h>

#include <cmath>

// Compositions: the noise is a constant of the graph.
namespace fulmen {

namespace {

void check_probability(double p) {
  FULMEN_CHECK(p >= 0 && p <= 1, "dropout probability has to be between 0 and 1, but got ", p);
}

/// Ones with probability 1 - p, else zeros: for every element, or for every channel of [n, channels, ...].
Tensor noise_for(const Tensor& x, double p, bool channels) {
  std::vector<int64_t> sizes = x.sizes().vec();
  if (channels) {
    FULMEN_CHECK(x.dim() >= 2, "Feature dropout requires at least 2 dimensions in the input; got ", x);
    for (size_t d = 2; d < sizes.size(); ++d) sizes[d] = 1;
  }
  return empty(sizes, x.options()).bernoulli_(1 - p);
}

Tensor drop(const Tensor& x, double p, bool train, bool channels) {
  check_probability(p);
  if (p == 0 || !train || x.numel() == 0) return x;
  if (p == 1) return x.mul(zeros({}, x.options()));
  return x.mul(noise_for(x, p, channels).div_(1 - p));
}

Tensor alpha_drop(const Tensor& x, double p, bool train, bool channels) {
  check_probability(p);
  if (p == 0 || !train || x.numel() == 0) return x;
  if (p == 1) return x.mul(zeros({}, x.options()));
  constexpr double alpha = 1.7580993408473766;  // SELU's scale times its alpha: minus its limit at minus infinity
  const double a = 1 / std::sqrt((alpha * alpha * p + 1) * (1 - p));
  Tensor noise = noise_for(x, p, channels);
  Tensor shift = noise.add(-1).mul_(alpha * a).add_(alpha * a * p);
  return x.mul(noise.mul_(a)).add(shift);
}

}  // namespace

Tensor dropout(const Tensor& x, double p, bool train) { return drop(x, p, train, false); }
Tensor feature_dropout(const Tensor& x, double p, bool train) { return drop(x, p, train, true); }
Tensor alpha_dropout(const Tensor& x, double p, bool train) { return alpha_drop(x, p, train, false); }
Tensor feature_alpha_dropout(const Tensor& x, double p, bool train) { return alpha_drop(x, p, train, true); }

}  // namespace fulmen
