#pragma once
#include <fulmen/tensor/any_function.h>
#include <fulmen/tensor/tensor.h>

namespace fulmen::optim {

/// A point on a line through parameter space: the step to it, and what the loss is and does there.
struct LinePoint {
  double step = 0;
  double loss = 0;
  double slope = 0;  ///< along the line
  Tensor gradient;
};

struct LineSearchOptions {
  int64_t max_evaluations = 25;
  /// A bracket that is shorter ends the search.
  double tolerance_change = 1e-9;
  /// The largest part of the direction, absolute.
  double direction_size = 1;
  double sufficient_decrease = 1e-4, curvature = 0.9;
};

/// A step that fulfils the strong Wolfe conditions: the loss falls enough and its slope has become flat enough (Nocedal
/// and Wright, algorithms 3.5 and 3.6, with cubic interpolation, as PyTorch runs it). `at` evaluates a step; `start` is
/// the point at step 0; the search begins at `first`. If the evaluations are used up before, the best point of the last
/// bracket. `evaluations` counts the calls of `at`.
LinePoint strong_wolfe(const AnyFunction<LinePoint(double step)>& at, const LinePoint& start, double first,
                       const LineSearchOptions& options, int64_t& evaluations);

}  // namespace fulmen::optim
