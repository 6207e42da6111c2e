#pragma once
#include <fulmen/kernels/kernel.h>
#include <fulmen/kernels/recurrent_steps.h>

namespace fulmen {

namespace cell {

/// A step: rows [first, first + rows) of all, of which the first `linked` follow rows of the step before in time, from
/// `before` on; the others begin with h0.
struct Step {
  int64_t first, rows, before, linked;
};
/// Goes through the steps in the layer's order, or against it.
class StepWalk {
 public:
  FULMEN_INLINE StepWalk(const RecurrentSteps& steps, bool backwards)
      : steps_(steps), descending_(steps.reverse != backwards) {
    for (int64_t t = 0; t < steps.count; ++t) total_ += steps.sizes[t];
    t_ = descending_ ? steps.count : -1;
    first_ = descending_ ? total_ : 0;
  }
  FULMEN_INLINE bool next(Step& step) {
    if (descending_) {
      if (--t_ < 0) return false;
      first_ -= steps_.sizes[t_];
    } else {
      if (t_ >= 0) first_ += steps_.sizes[t_];
      if (++t_ >= steps_.count) return false;
    }
    step = {first_, steps_.sizes[t_], 0, 0};
    const int64_t earlier = steps_.reverse ? t_ + 1 : t_ - 1;
    if (earlier < 0 || earlier >= steps_.count) return true;
    const int64_t size = steps_.sizes[earlier];
    step.before = steps_.reverse ? first_ + step.rows : first_ - size;
    step.linked = size < step.rows ? size : step.rows;
    return true;
  }

 private:
  const RecurrentSteps& steps_;
  bool descending_;
  int64_t total_ = 0, t_, first_;
};

}  // namespace cell

// One layer in one direction, all steps. With G gates and K numbers that are kept for the backward pass per hidden unit
// (LSTM: G = K = 4, i f g o; GRU: G = 3, r z n, K = 4, those and the hidden part of n; RNN: G = 1, K = 0):
//   x [rows, G H]  what the input gives to the gates    w [G H, H], b [G H] or null: the hidden side (b: GRU only)
//   h [rows, H], kept [rows, K H]; LSTM also c [rows, H]; h0, c0 [sequences, H]: the states before
// All contiguous and of one dtype: float32 and float64 on the CPU, also float16 and bfloat16 on CUDA. Where there is no
// such tensor, data == nullptr.

KERNEL(recurrent, const View& h, const View& c, const View& kept, const ConstView& x, const ConstView& h0,
       const ConstView& c0, const ConstView& w, const ConstView& b, const RecurrentSteps& steps)
/// g [rows, K H] (RNN: [rows, H]) becomes the gradient of the gates' sums: for LSTM and RNN that of x, for the GRU that
/// of x's r z n and, as the fourth, of the hidden part of n. gh0 and gc0 are those of h0 and c0. gh and gc, either of
/// which may be null, are those of h and c.
KERNEL(recurrent_backward, const View& g, const View& gh0, const View& gc0, const ConstView& h, const ConstView& c,
       const ConstView& kept, const ConstView& h0, const ConstView& c0, const ConstView& w, const ConstView& gh,
       const ConstView& gc, const RecurrentSteps& steps)

}  // namespace fulmen
