#pragma once
#include <fulmen/kernels/kernel.h>

namespace fulmen {

/// The state of a CPU generator (GeneratorImpl), borrowed while a kernel runs.
struct RandomStream {
  uint32_t* words;  ///< 624 of mt19937
  int32_t* position;
  double* spare_normal;  ///< the second value of a Box-Muller pair, waiting for the next draw
  bool* has_spare;
};

/// How a 32-bit or a 64-bit draw becomes an integer: draw % range + base. A range of 0 means all 2^64 values.
struct IntegerRange {
  uint64_t range;
  int64_t base;
  bool wide;  ///< 64-bit draws
};

// All fill a contiguous y in row-major order from the stream, serially: what the numbers are depends on their order.

/// y in [from, to), floating point.
KERNEL(random_uniform, View y, double from, double to, RandomStream stream)
/// Normal numbers, floating point. Blocks of 16 (Box-Muller pairs j with j + 8) need y.numel >= 16; otherwise pairs in
/// double precision, the second of which waits in the stream.
KERNEL(random_normal, View y, double mean, double std, bool blocks, RandomStream stream)
/// Any dtype; for bool the lowest bit counts.
KERNEL(random_integers, View y, IntegerRange integers, RandomStream stream)
/// y = 1 with probability p, else 0; any dtype.
KERNEL(random_bernoulli, View y, double p, RandomStream stream)
/// y[i] = 1 with probability p[i], else 0; p floating point and contiguous.
KERNEL(random_bernoulli_each, View y, ConstView p, RandomStream stream)
/// Density lambda exp(-lambda y), floating point.
KERNEL(random_exponential, View y, double lambda, RandomStream stream)
/// 0 .. n - 1 in random order; any dtype but bool.
KERNEL(random_permutation, View y, RandomStream stream)
/// y (int64) [rows, samples]: columns of weights [rows, cols] drawn with replacement; `sums` has `cols` entries of the
/// dtype of the weights. All contiguous.
KERNEL(random_choices, View y, ConstView weights, View sums, RandomStream stream)

}  // namespace fulmen
