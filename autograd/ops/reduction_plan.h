#pragma once
#include <fulmen/autograd/op.h>
#include <fulmen/kernels/reduce.h>

// How the reductions bring any dimensions of any tensor into the form their kernels take.
namespace fulmen::autograd {

/// Which dimensions go (bit i: dimension i). No list, or an empty one, means all of them.
uint32_t dims_mask(OptionalIntArrayRef dims, int64_t ndim);

/// `x` as contiguous [outer, n, inner], where n are the dimensions that go.
struct ReductionPlan {
  ReductionPlan(const Tensor& x, uint32_t mask);
  Tensor source;  ///< x, or a copy with the reduced dimensions side by side
  ReduceShape shape;
  Shape kept;  ///< the result's sizes, with 1 for each dimension that went
};

/// `sizes` without the dimensions of `mask`.
Shape without(IntArrayRef sizes, uint32_t mask);

/// Tensor y with sizes of `keepdim` form as a result: a view without the reduced dimensions unless they are kept.
Tensor drop_dims(const Tensor& y, uint32_t mask, bool keepdim);

/// The dtype in which x's elements are reduced: what the kernels have, and wide enough for x.
ScalarType reduction_type(ReduceOp op, ScalarType t);

/// One value reduction of x; the result has reduction_type(op, x's dtype), and the reduced dimensions with size 1
/// unless `keepdim` is false.
Output reduce(Forward& f, ReduceOp op, const Tensor& x, uint32_t mask, const Tensor& center = {}, bool keepdim = true);

}  // namespace fulmen::autograd
