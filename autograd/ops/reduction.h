#pragma once
#include <fulmen/autograd/op.h>

namespace fulmen {

/// Sum over all elements, or over dimensions `dim`. Integers and bool are summed as int64. With `dtype` the elements
/// are converted first.
Tensor sum(const Tensor& x, std::optional<ScalarType> dtype = std::nullopt);
Tensor sum(const Tensor& x, OptionalIntArrayRef dim, bool keepdim = false,
           std::optional<ScalarType> dtype = std::nullopt);
/// Arithmetic mean; floating point only (or `dtype`).
Tensor mean(const Tensor& x, std::optional<ScalarType> dtype = std::nullopt);
Tensor mean(const Tensor& x, OptionalIntArrayRef dim, bool keepdim = false,
            std::optional<ScalarType> dtype = std::nullopt);
Tensor prod(const Tensor& x, std::optional<ScalarType> dtype = std::nullopt);
Tensor prod(const Tensor& x, int64_t dim, bool keepdim = false, std::optional<ScalarType> dtype = std::nullopt);

/// Variance: mean squared deviation from the mean, divided by n - 1 (unbiased) or n.
Tensor var(const Tensor& x, bool unbiased = true);
Tensor var(const Tensor& x, OptionalIntArrayRef dim, bool unbiased = true, bool keepdim = false);
/// Square root of the variance; its derivative at zero deviation is zero.
Tensor std(const Tensor& x, bool unbiased = true);
Tensor std(const Tensor& x, OptionalIntArrayRef dim, bool unbiased = true, bool keepdim = false);
std::tuple<Tensor, Tensor> var_mean(const Tensor& x, OptionalIntArrayRef dim = std::nullopt, bool unbiased = true,
                                    bool keepdim = false);
std::tuple<Tensor, Tensor> std_mean(const Tensor& x, OptionalIntArrayRef dim = std::nullopt, bool unbiased = true,
                                    bool keepdim = false);

/// Largest or smallest element; NaN wins. Equal extremes share the gradient evenly.
Tensor max(const Tensor& x);
Tensor min(const Tensor& x);
Tensor amax(const Tensor& x, IntArrayRef dim = {}, bool keepdim = false);
Tensor amin(const Tensor& x, IntArrayRef dim = {}, bool keepdim = false);
/// Values and positions (int64) of the first extreme along dim; the gradient goes to that position.
std::tuple<Tensor, Tensor> max(const Tensor& x, int64_t dim, bool keepdim = false);
std::tuple<Tensor, Tensor> min(const Tensor& x, int64_t dim, bool keepdim = false);
/// Position of the first extreme, along dim or in the flattened tensor.
Tensor argmax(const Tensor& x, std::optional<int64_t> dim = std::nullopt, bool keepdim = false);
Tensor argmin(const Tensor& x, std::optional<int64_t> dim = std::nullopt, bool keepdim = false);

Tensor all(const Tensor& x);
Tensor all(const Tensor& x, int64_t dim, bool keepdim = false);
Tensor any(const Tensor& x);
Tensor any(const Tensor& x, int64_t dim, bool keepdim = false);

/// (sum |x|^p)^(1/p); p = inf gives the largest |x|, p = 0 the number of non-zeros. The derivative at 0 is 0.
Tensor norm(const Tensor& x, const Scalar& p = 2);
Tensor norm(const Tensor& x, const std::optional<Scalar>& p, IntArrayRef dim, bool keepdim = false);
/// log(sum(exp(x))) without overflow.
Tensor logsumexp(const Tensor& x, IntArrayRef dim, bool keepdim = false);

/// The sum over everything that broadcasting to x's sizes had repeated: x with the given sizes.
Tensor sum_to_size(const Tensor& x, IntArrayRef sizes);

}  // namespace fulmen
