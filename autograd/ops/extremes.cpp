#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/reduction.h>
#include <fulmen/autograd/ops/reduction_plan.h>
#include <fulmen/autograd/ops/shapes.h>

// max, min, argmax, argmin, all, any.
namespace fulmen {

using namespace autograd;

namespace {

void check_not_empty(const char* op, const Tensor& x, uint32_t mask) {
  for (int64_t i = 0; i < x.dim(); ++i) {
    FULMEN_CHECK_INDEX(!(mask >> i & 1u) || x.sizes()[static_cast<size_t>(i)] > 0, op, "(): Expected reduction dim ", i,
                       " to have non-zero size.");
  }
}

struct Extreme {
  static constexpr auto name = "amax";
  bool largest;
  uint32_t mask;
  Output forward(Forward& f, const Input& x) {
    check_not_empty(largest ? "amax" : "amin", x, mask);
    Output wide = autograd::reduce(f, largest ? ReduceOp::Max : ReduceOp::Min, x, mask);
    if (wide.scalar_type() == x.scalar_type()) {
      f.save(x, wide);
      return wide;
    }
    Output y = f.empty_like(wide, x.scalar_type());
    y.copy_(wide);
    f.save(x, y);
    return y;
  }
  // gx = gy, shared evenly among the elements that equal y
  Grads<1> backward(const Saved& s, const Tensor& gy) const {
    Tensor hit = s[0].detach().eq(s[1].detach());
    Tensor count = hit.to(gy.scalar_type());
    for (int64_t i = 0; i < hit.dim(); ++i) {
      if (mask >> i & 1u) count = count.sum(i, true);
    }
    return {gy.div(count).expand(hit.sizes()).masked_fill(hit.logical_not(), 0)};
  }
};

/// Values and positions along one dimension.
struct ExtremeAt {
  static constexpr auto name = "max";
  bool largest;
  int64_t dim;
  Shape from = {};
  std::array<Output, 2> forward(Forward& f, const Input& x) {
    from = x.sizes();
    uint32_t mask = 1u << dim;
    check_not_empty(largest ? "max" : "min", x, mask);
    ReductionPlan plan(x.to(reduction_type(ReduceOp::Max, x.scalar_type())), mask);
    Tensor wide = f.empty(plan.kept, plan.source.scalar_type(), x.device());
    Output positions = f.empty(plan.kept, kLong, x.device());
    kernel::reduce_arg(f.launch(x), largest, f.out(wide), f.out(positions), f.in(plan.source), plan.shape);
    Output values = f.empty(plan.kept, x.scalar_type(), x.device());
    values.copy_(wide);
    f.save(positions);
    f.mark_non_differentiable(positions);
    return {std::move(values), std::move(positions)};
  }
  // gx = gy at the position that was taken
  Grads<1> backward(const Saved& s, ConstTensorSpan gy) const {
    if (from.empty()) return {gy[0]};
    Tensor positions = s[0];
    Tensor each = arange(from[static_cast<size_t>(dim)], positions.options());
    Shape along(from.size(), 1);
    along[static_cast<size_t>(dim)] = each.numel();
    Tensor elsewhere = positions.ne(each.view(along));
    return {gy[0].expand(from).masked_fill(elsewhere, 0)};
  }
};

struct ArgExtreme {
  static constexpr auto name = "argmax";
  static constexpr bool differentiable = false;
  bool largest;
  uint32_t mask;
  Output forward(Forward& f, const Input& x) {
    check_not_empty(largest ? "argmax" : "argmin", x, mask);
    // The position counts elements in row-major order, so the elements must lie so.
    ReductionPlan plan(x.to(reduction_type(ReduceOp::Max, x.scalar_type())).contiguous(), mask);
    Output positions = f.empty(plan.kept, kLong, x.device());
    kernel::reduce_arg(f.launch(x), largest, View{}, f.out(positions), f.in(plan.source), plan.shape);
    return positions;
  }
};

struct Truth {
  static constexpr auto name = "all";
  static constexpr bool differentiable = false;
  bool all;
  uint32_t mask;
  Output forward(Forward& f, const Input& x) {
    return autograd::reduce(f, all ? ReduceOp::All : ReduceOp::Any, x, mask);
  }
};

std::tuple<Tensor, Tensor> extreme_at(bool largest, const Tensor& x, int64_t dim, bool keepdim) {
  int64_t d = wrap_dim(dim, x.dim());
  auto [values, positions] = apply(ExtremeAt{largest, d}, x);
  return {drop_dims(values, 1u << d, keepdim), drop_dims(positions, 1u << d, keepdim)};
}

Tensor extreme(bool largest, const Tensor& x, IntArrayRef dim, bool keepdim) {
  uint32_t mask = dims_mask(dim, x.dim());
  return drop_dims(apply(Extreme{largest, mask}, x), mask, keepdim);
}

Tensor position(bool largest, const Tensor& x, std::optional<int64_t> dim, bool keepdim) {
  uint32_t mask = dim ? dims_mask(*dim, x.dim()) : dims_mask(std::nullopt, x.dim());
  return drop_dims(apply(ArgExtreme{.largest = largest, .mask = mask}, x), mask, keepdim);
}

Tensor truth(bool all, const Tensor& x, OptionalIntArrayRef dim, bool keepdim) {
  uint32_t mask = dims_mask(dim, x.dim());
  return drop_dims(apply(Truth{.all = all, .mask = mask}, x), mask, keepdim);
}

}  // namespace

Tensor max(const Tensor& x) { return extreme(true, x, {}, false); }
Tensor min(const Tensor& x) { return extreme(false, x, {}, false); }
Tensor amax(const Tensor& x, IntArrayRef dim, bool keepdim) { return extreme(true, x, dim, keepdim); }
Tensor amin(const Tensor& x, IntArrayRef dim, bool keepdim) { return extreme(false, x, dim, keepdim); }
std::tuple<Tensor, Tensor> max(const Tensor& x, int64_t dim, bool keepdim) { return extreme_at(true, x, dim, keepdim); }
std::tuple<Tensor, Tensor> min(const Tensor& x, int64_t dim, bool keepdim) {
  return extreme_at(false, x, dim, keepdim);
}
Tensor argmax(const Tensor& x, std::optional<int64_t> dim, bool keepdim) { return position(true, x, dim, keepdim); }
Tensor argmin(const Tensor& x, std::optional<int64_t> dim, bool keepdim) { return position(false, x, dim, keepdim); }
Tensor all(const Tensor& x) { return truth(true, x, std::nullopt, false); }
Tensor all(const Tensor& x, int64_t dim, bool keepdim) { return truth(true, x, dim, keepdim); }
Tensor any(const Tensor& x) { return truth(false, x, std::nullopt, false); }
Tensor any(const Tensor& x, int64_t dim, bool keepdim) { return truth(false, x, dim, keepdim); }

Tensor Tensor::max() const { return fulmen::max(*this); }
Tensor Tensor::min() const { return fulmen::min(*this); }
std::tuple<Tensor, Tensor> Tensor::max(int64_t dim, bool keepdim) const { return fulmen::max(*this, dim, keepdim); }
std::tuple<Tensor, Tensor> Tensor::min(int64_t dim, bool keepdim) const { return fulmen::min(*this, dim, keepdim); }
Tensor Tensor::amax(IntArrayRef dim, bool keepdim) const { return fulmen::amax(*this, dim, keepdim); }
Tensor Tensor::amin(IntArrayRef dim, bool keepdim) const { return fulmen::amin(*this, dim, keepdim); }
Tensor Tensor::argmax(std::optional<int64_t> dim, bool keepdim) const { return fulmen::argmax(*this, dim, keepdim); }
Tensor Tensor::argmin(std::optional<int64_t> dim, bool keepdim) const { return fulmen::argmin(*this, dim, keepdim); }
Tensor Tensor::all() const { return fulmen::all(*this); }
Tensor Tensor::all(int64_t dim, bool keepdim) const { return fulmen::all(*this, dim, keepdim); }
Tensor Tensor::any() const { return fulmen::any(*this); }
Tensor Tensor::any(int64_t dim, bool keepdim) const { return fulmen::any(*this, dim, keepdim); }

}  // namespace fulmen
