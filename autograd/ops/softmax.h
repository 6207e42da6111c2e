#pragma once
#include <fulmen/autograd/op.h>

namespace fulmen {

/// exp(x) / sum(exp(x)) along `dim`. With `dtype` x is converted first. Floating-point x only.
Tensor softmax(const Tensor& x, int64_t dim, std::optional<ScalarType> dtype = std::nullopt);
/// log(softmax(x)) along `dim`, without its overflow and underflow.
Tensor log_softmax(const Tensor& x, int64_t dim, std::optional<ScalarType> dtype = std::nullopt);

}  // namespace fulmen
