#pragma once
#include <fulmen/autograd/op.h>

// Order along one dimension. Positions are int64; NaN counts as the largest value.
namespace fulmen {

/// Values in order, and where they came from. Equal elements keep their order.
std::tuple<Tensor, Tensor> sort(const Tensor& x, int64_t dim = -1, bool descending = false);
/// The positions alone.
Tensor argsort(const Tensor& x, int64_t dim = -1, bool descending = false);
/// The k largest (or smallest) elements, in order, and their positions.
std::tuple<Tensor, Tensor> topk(const Tensor& x, int64_t k, int64_t dim = -1, bool largest = true, bool sorted = true);
/// Running sums along `dim`; integers and bool give int64 unless `dtype` says otherwise.
Tensor cumsum(const Tensor& x, int64_t dim, std::optional<ScalarType> dtype = std::nullopt);

}  // namespace fulmen
