#pragma once
#include <fulmen/nn/options.h>
#include <fulmen/tensor/tensor.h>

#include <utility>

// Initial values. Each function fills the tensor in place, without recording, and returns it. The numbers are PyTorch's
// for the same seed.
namespace fulmen::nn::init {

using FanMode = OneOf<enumtype::kFanIn, enumtype::kFanOut>;
using Nonlinearity = OneOf<enumtype::kLinear, enumtype::kConv1D, enumtype::kConv2D, enumtype::kConv3D,
                           enumtype::kConvTranspose1D, enumtype::kConvTranspose2D, enumtype::kConvTranspose3D,
                           enumtype::kSigmoid, enumtype::kTanh, enumtype::kReLU, enumtype::kLeakyReLU, enumtype::kSELU>;

/// The factor that keeps the variance across a layer with this activation; `param` is leaky ReLU's slope.
double calculate_gain(Nonlinearity nonlinearity, double param = 0.01);

Tensor constant_(Tensor tensor, const Scalar& value);
Tensor ones_(Tensor tensor);
Tensor zeros_(Tensor tensor);
Tensor uniform_(Tensor tensor, double low = 0, double high = 1);
Tensor normal_(Tensor tensor, double mean = 0, double std = 1);
/// The part of a normal distribution that lies in low..high.
Tensor trunc_normal_(Tensor tensor, double mean = 0, double std = 1, double low = -2, double high = 2);
/// The identity matrix; two dimensions.
Tensor eye_(Tensor matrix);
/// Preserves the identity of as many channels of each group as possible; three to five dimensions [out, in, ...].
Tensor dirac_(Tensor tensor, int64_t groups = 1);
/// A (semi-)orthogonal matrix; dimensions after the first are joined.
Tensor orthogonal_(Tensor tensor, double gain = 1.0);
/// Columns with the fraction `sparsity` of zeros, the rest normal; two dimensions.
Tensor sparse_(Tensor tensor, double sparsity, double std = 0.01);
/// He et al. 2015: uniform within ±gain sqrt(3 / fan); `a` is the slope of the leaky ReLU that follows.
Tensor kaiming_uniform_(Tensor tensor, double a = 0, FanMode mode = kFanIn, Nonlinearity nonlinearity = kLeakyReLU);
Tensor kaiming_normal_(Tensor tensor, double a = 0, FanMode mode = kFanIn, Nonlinearity nonlinearity = kLeakyReLU);
/// Glorot and Bengio 2010: uniform within ±gain sqrt(6 / (fan_in + fan_out)).
Tensor xavier_uniform_(Tensor tensor, double gain = 1.0);
Tensor xavier_normal_(Tensor tensor, double gain = 1.0);

/// (fan_in, fan_out) of a weight [out, in, ...].
std::pair<int64_t, int64_t> _calculate_fan_in_and_fan_out(const Tensor& tensor);

}  // namespace fulmen::nn::init
