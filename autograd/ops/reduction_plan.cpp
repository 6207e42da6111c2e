#include <fulmen/autograd/ops/reduction_plan.h>
#include <fulmen/autograd/ops/shapes.h>

namespace fulmen::autograd {

uint32_t dims_mask(OptionalIntArrayRef dims, int64_t ndim) {
  uint32_t everything = (1u << (ndim == 0 ? 1 : ndim)) - 1;
  if (!dims || (*dims).empty()) return everything;
  uint32_t mask = 0;
  for (int64_t d : *dims) {
    int64_t w = wrap_dim(d, ndim);
    FULMEN_CHECK(!(mask >> w & 1u), "dim ", w, " appears multiple times in the list of dims");
    mask |= 1u << w;
  }
  return mask;
}

Shape without(IntArrayRef sizes, uint32_t mask) {
  Shape out;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (!(mask >> i & 1u)) out.push_back(sizes[i]);
  }
  return out;
}

Tensor drop_dims(const Tensor& y, uint32_t mask, bool keepdim) {
  if (keepdim || y.dim() == 0) return y;
  return y.view(without(y.sizes(), mask));
}

namespace {

/// All elements without gaps, in whatever order: a full reduction may take them as they lie.
bool dense(const Tensor& x) { return x.is_contiguous() || x.is_non_overlapping_and_dense(); }

}  // namespace

ReductionPlan::ReductionPlan(const Tensor& x, uint32_t mask) : source(x), shape{1, 1, 1} {
  int64_t ndim = x.dim();
  kept = x.sizes();
  bool full = true, together = true, before = false, after = false;
  for (int64_t i = 0; i < ndim; ++i) {
    auto k = static_cast<size_t>(i);
    if (mask >> i & 1u) {
      kept[k] = 1;
      shape.n *= x.sizes()[k];
      if (after && x.sizes()[k] != 1) together = false;
      before = true;
    } else {
      full = full && x.sizes()[k] == 1;
      (before ? shape.inner : shape.outer) *= x.sizes()[k];
      if (before && x.sizes()[k] != 1) after = true;
    }
  }
  if (full) {
    shape = {1, x.numel(), 1};
    if (!dense(x)) source = x.contiguous();
  } else if (together) {
    source = x.contiguous();
  } else {
    Shape order, result_order;
    for (int64_t i = 0; i < ndim; ++i) {
      if (!(mask >> i & 1u)) order.push_back(i);
    }
    for (int64_t i = 0; i < ndim; ++i) {
      if (mask >> i & 1u) order.push_back(i);
    }
    shape.outer *= shape.inner;
    shape.inner = 1;
    source = x.permute(order).contiguous();
  }
}

ScalarType reduction_type(ReduceOp op, ScalarType t) {
  if (op == ReduceOp::All || op == ReduceOp::Any) return kBool;
  if (t == kHalf || t == kBFloat16) return op == ReduceOp::Sum ? t : kFloat;
  return is_floating_point(t) ? t : kLong;
}

Output reduce(Forward& f, ReduceOp op, const Tensor& x, uint32_t mask, const Tensor& center, bool keepdim) {
  ScalarType type = reduction_type(op, x.scalar_type());
  ReductionPlan plan(type == kBool && x.scalar_type() != kBool ? x.ne(0) : x.to(type), mask);
  Tensor middle = center.defined() ? center.to(type).contiguous() : center;
  Output y = f.empty(keepdim ? plan.kept : without(plan.kept, mask), type, x.device());
  kernel::reduce(f.launch(y), op, f.out(y), f.in(plan.source), middle.defined() ? f.in(middle) : ConstView{},
                 plan.shape);
  return y;
}

}  // namespace fulmen::autograd
