#pragma once
#include <fulmen/kernels/kernel.h>

namespace fulmen {

enum class ReduceOp : uint8_t {
  Sum,
  Prod,
  Max,  ///< NaN wins
  Min,
  All,
  Any,
  SumSquares,           ///< of x
  SumSquaredDeviation,  ///< of x from `center`
};

/// x read as [outer, n, inner], row-major; the middle dimension goes.
struct ReduceShape {
  int64_t outer, n, inner;
};

/// y[o, i] = reduction of x[o, :, i]; x and y contiguous. Sum and Prod of integers and bool give int64; All and Any
/// give bool; everything else keeps x's dtype and accumulates Half and BFloat16 in float. The order of the additions
/// depends on the shape only.
KERNEL(reduce, ReduceOp op, const View& y, const ConstView& x, const ConstView& center, ReduceShape shape)

/// values[o, i] and their positions: the first largest (or smallest) element; NaN wins. x is float32, float64
/// or int64, positions is int64; values may have no memory (numel 0) if nobody wants them.
KERNEL(reduce_arg, bool largest, const View& values, const View& positions, const ConstView& x, ReduceShape shape)

}  // namespace fulmen
