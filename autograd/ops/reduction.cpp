#include <fulmen/autograd/autocast.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/reduction.h>
#include <fulmen/autograd/ops/reduction_plan.h>

#include <cmath>

// Sums and means, products, variances, norms. Sum and Mean, of which there is one in every loss, drop the reduced
// dimensions themselves; the other ops work in keepdim form, and the caller drops them.
namespace fulmen {

using namespace autograd;

namespace {

/// A reduction whose result has x's own dtype where the kernels worked in a wider one.
Output reduce_as(Forward& f, ReduceOp op, ScalarType type, const Tensor& x, uint32_t mask, const Tensor& center = {}) {
  if (reduction_type(op, x.scalar_type()) == type) return autograd::reduce(f, op, x, mask, center);
  Output wide = autograd::reduce(f, op, x, mask, center);
  Output y = f.empty_like(wide, type);
  y.copy_(wide);
  return y;
}

ScalarType sum_type(ScalarType t) { return is_floating_point(t) ? t : kLong; }

/// A gradient of reduced form, with size 1 for each dimension that went.
Tensor with_dims(const Tensor& gy, const Shape& from, uint32_t mask, bool keepdim) {
  if (keepdim || gy.dim() == 0) return gy;
  Shape kept = from;
  for (size_t i = 0; i < kept.size(); ++i) {
    if (mask >> i & 1u) kept[i] = 1;
  }
  return gy.reshape(kept);
}

struct Sum {
  static constexpr auto name = "sum";
  uint32_t mask;
  bool keepdim;
  Shape from = {};
  Output forward(Forward& f, const Input& x) {
    from = x.sizes();
    return autograd::reduce(f, ReduceOp::Sum, x, mask, {}, keepdim);
  }
  // gx = gy everywhere
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {with_dims(gy, from, mask, keepdim).expand(from)}; }
};

struct Mean {
  static constexpr auto name = "mean";
  uint32_t mask;
  bool keepdim;
  Shape from = {};
  double count = 0;
  Output forward(Forward& f, const Input& x) {
    from = x.sizes();
    Output y = autograd::reduce(f, ReduceOp::Sum, x, mask, {}, keepdim);
    count = y.numel() == 0 ? 0 : static_cast<double>(x.numel()) / static_cast<double>(y.numel());
    y.div_(count);
    return y;
  }
  // gx = gy / n
  Grads<1> backward(const Saved&, const Tensor& gy) const {
    return {with_dims(gy.div(count), from, mask, keepdim).expand(from)};
  }
};

struct Prod {
  static constexpr auto name = "prod";
  uint32_t mask;
  Output forward(Forward& f, const Input& x) {
    f.save(x);
    return reduce_as(f, ReduceOp::Prod, sum_type(x.scalar_type()), x, mask);
  }
  // gx_i = gy * product of all others
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy.mul(product_of_others(s[0]))}; }

  /// With a zero among them products cannot be divided back; then x is laid out as a square whose diagonal is left out.
  Tensor product_of_others(const Tensor& x) const {
    if (!x.eq(0).any().item().toBool()) return apply(Prod{mask}, x).div(x);
    ReductionPlan shape_only(x.detach(), mask);
    Shape order, back(static_cast<size_t>(x.dim()), 0);
    for (int pass = 0; pass < 2; ++pass) {
      for (int64_t i = 0; i < x.dim(); ++i) {
        if ((mask >> i & 1u) == static_cast<uint32_t>(pass)) order.push_back(i);
      }
    }
    for (size_t i = 0; i < order.size(); ++i) back[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
    int64_t n = shape_only.shape.n;
    Tensor moved = x.permute(order), rows = moved.reshape({-1, 1, n}).expand({-1, n, n});
    Tensor diagonal = eye(n, TensorOptions(kBool).device(x.device()));
    Tensor others = rows.masked_fill(diagonal, 1).prod(2);
    return others.reshape(moved.sizes()).permute(back);
  }
};

/// Sum of squared deviations from the mean.
struct Variance {
  static constexpr auto name = "var";
  uint32_t mask;
  double correction;
  double count = 0;
  Output forward(Forward& f, const Input& x) {
    Tensor center = Tensor(x).mean(dims(), true);
    Output y = reduce_as(f, ReduceOp::SumSquaredDeviation, x.scalar_type(), x, mask, center);
    count = y.numel() == 0 ? 0 : static_cast<double>(x.numel() / y.numel());
    y.div_(divisor());
    f.save(x);
    return y;
  }
  double divisor() const { return count > correction ? count - correction : 0; }
  // gx = gy * 2 (x - mean) / (n - correction)
  Grads<1> backward(const Saved& s, const Tensor& gy) const {
    Tensor x = s[0];
    return {gy.mul(2 / divisor()).mul(x.sub(x.mean(dims(), true)))};
  }
  std::vector<int64_t> dims() const {
    std::vector<int64_t> out;
    for (int64_t i = 0; i < max_dims; ++i) {
      if (mask >> i & 1u) out.push_back(i);
    }
    return out;
  }
};

/// Square root whose derivative at zero is zero.
struct RootOrZero {
  static constexpr auto name = "root_or_zero";
  Output forward(Forward& f, const Input& x) {
    Output y = f.empty_like(x);
    y.copy_(x);
    y.sqrt_();
    f.save(y);
    return y;
  }
  // gx = gy / (2 y), 0 where y = 0
  Grads<1> backward(const Saved& s, const Tensor& gy) const {
    Tensor y = s[0];
    return {gy.div(y.mul(2)).masked_fill(y.eq(0), 0)};
  }
};

struct SumSquares {
  static constexpr auto name = "sum_squares";
  uint32_t mask;
  Output forward(Forward& f, const Input& x) {
    f.save(x);
    return reduce_as(f, ReduceOp::SumSquares, x.scalar_type(), x, mask);
  }
  // gx = 2 gy x
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy.mul(2).mul(s[0])}; }
};

Tensor as_type(const Tensor& x, std::optional<ScalarType> dtype) { return dtype ? x.to(*dtype) : x; }

void check_floating(const char* op, const Tensor& x) {
  FULMEN_CHECK(x.is_floating_point(), op,
               "(): could not infer output dtype. Input dtype must be either a floating point ",
               "or complex dtype. Got: ", to_string(x.scalar_type()));
}

}  // namespace

Tensor sum(const Tensor& x, std::optional<ScalarType> dtype) { return sum(x, std::nullopt, false, dtype); }

Tensor sum(const Tensor& x, OptionalIntArrayRef dim, bool keepdim, std::optional<ScalarType> dtype) {
  uint32_t mask = dims_mask(dim, x.dim());
  return apply(Sum{mask, keepdim}, as_type(x, autocast::wide_dtype(autocast::wide_on_cuda, x, dtype)));
}

Tensor mean(const Tensor& x, std::optional<ScalarType> dtype) { return mean(x, std::nullopt, false, dtype); }

Tensor mean(const Tensor& x, OptionalIntArrayRef dim, bool keepdim, std::optional<ScalarType> dtype) {
  Tensor source = as_type(x, dtype);
  check_floating("mean", source);
  uint32_t mask = dims_mask(dim, x.dim());
  return apply(Mean{mask, keepdim}, source);
}

Tensor prod(const Tensor& x, std::optional<ScalarType> dtype) {
  uint32_t mask = dims_mask(std::nullopt, x.dim());
  return drop_dims(apply(Prod{mask}, as_type(x, autocast::wide_dtype(autocast::wide, x, dtype))), mask, false);
}

Tensor prod(const Tensor& x, int64_t dim, bool keepdim, std::optional<ScalarType> dtype) {
  uint32_t mask = dims_mask(dim, x.dim());
  return drop_dims(apply(Prod{mask}, as_type(x, autocast::wide_dtype(autocast::wide, x, dtype))), mask, keepdim);
}

Tensor var(const Tensor& x, bool unbiased) { return var(x, std::nullopt, unbiased); }

Tensor var(const Tensor& x, OptionalIntArrayRef dim, bool unbiased, bool keepdim) {
  FULMEN_CHECK(x.is_floating_point(), "std and var only support floating point and complex dtypes; got ", x);
  uint32_t mask = dims_mask(dim, x.dim());
  return drop_dims(apply(Variance{mask, unbiased ? 1.0 : 0.0}, x), mask, keepdim);
}

Tensor std(const Tensor& x, bool unbiased) { return std(x, std::nullopt, unbiased); }
Tensor std(const Tensor& x, OptionalIntArrayRef dim, bool unbiased, bool keepdim) {
  return apply(RootOrZero{}, var(x, dim, unbiased, keepdim));
}

std::tuple<Tensor, Tensor> var_mean(const Tensor& x, OptionalIntArrayRef dim, bool unbiased, bool keepdim) {
  return {var(x, dim, unbiased, keepdim), mean(x, dim, keepdim)};
}
std::tuple<Tensor, Tensor> std_mean(const Tensor& x, OptionalIntArrayRef dim, bool unbiased, bool keepdim) {
  return {std(x, dim, unbiased, keepdim), mean(x, dim, keepdim)};
}

Tensor norm(const Tensor& x, const Scalar& p) { return norm(x, p, {}, false); }

Tensor norm(const Tensor& x, const std::optional<Scalar>& p, IntArrayRef dim, bool keepdim) {
  if (autocast::applies(autocast::wide_on_cuda, x)) {
    return autocast::recast(
        autocast::wide_on_cuda, [&](const Tensor& wide) { return norm(wide, p, dim, keepdim); }, x);
  }
  FULMEN_CHECK(x.is_floating_point(), "linalg.vector_norm: Expected a floating point or complex tensor as input. Got ",
               to_string(x.scalar_type()));
  double power = p ? p->toDouble() : 2.0;
  OptionalIntArrayRef dims = dim.empty() ? OptionalIntArrayRef() : OptionalIntArrayRef(dim);
  uint32_t mask = dims_mask(dims, x.dim());
  if (power == 2) return drop_dims(apply(RootOrZero{}, apply(SumSquares{mask}, x)), mask, keepdim);
  if (power == 1) return x.abs().sum(dims, keepdim);
  if (std::isinf(power)) return power > 0 ? x.abs().amax(dim, keepdim) : x.abs().amin(dim, keepdim);
  if (power == 0) return x.ne(0).sum(dims, keepdim, x.scalar_type());
  Tensor size = x.abs(), zero = size.eq(0);
  // x^(p-1) has no finite value at zero for p < 1; zeros count nothing, and their derivative is taken as zero.
  Tensor powers = size.masked_fill(zero, 1).pow(power).masked_fill(zero, 0);
  return powers.sum(dims, keepdim).pow(1 / power);
}

Tensor logsumexp(const Tensor& x, IntArrayRef dim, bool keepdim) {
  if (autocast::applies(autocast::wide_on_cuda, x))
    return autocast::recast(autocast::wide_on_cuda, logsumexp, x, dim, keepdim);
  Tensor source = x.is_floating_point() ? x : x.to(get_default_dtype());
  uint32_t mask = dims_mask(dim, x.dim());
  if (x.numel() == 0) return source.exp().sum(dim, keepdim).log();
  Tensor top = source.detach().amax(dim, true);
  top = top.masked_fill(top.isinf(), 0);
  return drop_dims(source.sub(top).exp().sum(dim, true).log().add(top), mask, keepdim);
}

Tensor sum_to_size(const Tensor& x, IntArrayRef sizes) {
  if (x.sizes() == sizes && (!sizes.empty() || x.is_floating_point())) return x;
  if (sizes.empty()) return sum(x);
  FULMEN_CHECK(static_cast<int64_t>(sizes.size()) <= x.dim(), "size {", sizes, "} is not expandable to size {",
               x.sizes(), "}.");
  uint32_t mask = 0;
  auto lead = static_cast<uint32_t>(static_cast<size_t>(x.dim()) - sizes.size());
  for (uint32_t i = 0; i < static_cast<uint32_t>(x.dim()); ++i) {
    int64_t have = x.sizes()[i];
    FULMEN_CHECK(i < lead || sizes[i - lead] == have || sizes[i - lead] == 1, "size {", sizes,
                 "} is not expandable to size {", x.sizes(), "}.");
    if (i < lead || (sizes[i - lead] == 1 && have != 1)) mask |= 1u << i;
  }
  if (mask == 0) return x;
  Tensor y = apply(Sum{mask, true}, x);
  return lead == 0 ? y : y.view(sizes);
}

Tensor Tensor::sum(std::optional<ScalarType> dtype) const { return fulmen::sum(*this, dtype); }
Tensor Tensor::sum(OptionalIntArrayRef dim, bool keepdim, std::optional<ScalarType> dtype) const {
  return fulmen::sum(*this, dim, keepdim, dtype);
}
Tensor Tensor::mean(std::optional<ScalarType> dtype) const { return fulmen::mean(*this, dtype); }
Tensor Tensor::mean(OptionalIntArrayRef dim, bool keepdim, std::optional<ScalarType> dtype) const {
  return fulmen::mean(*this, dim, keepdim, dtype);
}
Tensor Tensor::prod(std::optional<ScalarType> dtype) const { return fulmen::prod(*this, dtype); }
Tensor Tensor::prod(int64_t dim, bool keepdim, std::optional<ScalarType> dtype) const {
  return fulmen::prod(*this, dim, keepdim, dtype);
}
Tensor Tensor::var(bool unbiased) const { return fulmen::var(*this, unbiased); }
Tensor Tensor::var(OptionalIntArrayRef dim, bool unbiased, bool keepdim) const {
  return fulmen::var(*this, dim, unbiased, keepdim);
}
Tensor Tensor::std(bool unbiased) const { return fulmen::std(*this, unbiased); }
Tensor Tensor::std(OptionalIntArrayRef dim, bool unbiased, bool keepdim) const {
  return fulmen::std(*this, dim, unbiased, keepdim);
}
Tensor Tensor::norm(const Scalar& p) const { return fulmen::norm(*this, p); }
Tensor Tensor::norm(const std::optional<Scalar>& p, IntArrayRef dim, bool keepdim) const {
  return fulmen::norm(*this, p, dim, keepdim);
}
Tensor Tensor::logsumexp(IntArrayRef dim, bool keepdim) const { return fulmen::logsumexp(*this, dim, keepdim); }
Tensor Tensor::sum_to_size(IntArrayRef sizes) const { return fulmen::sum_to_size(*this, sizes); }

}  // namespace fulmen
