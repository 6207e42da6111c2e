#pragma once
#include <fulmen/kernels/kernel.h>
#include <fulmen/kernels/philox.h>

namespace fulmen {

/// The state of a generator (GeneratorImpl), borrowed while a kernel runs: mt19937 on the CPU, Philox on CUDA.
struct RandomStream {
  uint32_t* words;  ///< 624 of mt19937
  int32_t* position;
  double* spare_normal;  ///< the second value of a Box-Muller pair, waiting for the next draw
  bool* has_spare;
  PhiloxPlace philox;
};

/// How a 32-bit or a 64-bit draw becomes an integer: draw % range + base. A range of 0 means all 2^64 values.
struct IntegerRange {
  uint64_t range;
  int64_t base;
  bool wide;  ///< 64-bit draws
};

// On the CPU all fill a contiguous y in row-major order from the stream, serially: what the numbers are depends on
// their order. On CUDA element i of y (contiguous) is made of the draws of kernels/philox.h, whatever the launch looks
// like:
//   32-bit draws (float32 and shorter, integers that are not wide): word i % 4 of block 0 of subsequence i / 4;
//   64-bit draws (float64, wide integers, probabilities): words 2 (i % 2) and 2 (i % 2) + 1 of block (i / 2) % 2 of
//   subsequence i / 4, the first word being the upper half.
// Normal numbers: Box-Muller of two neighbouring draws u, v (elements 2k and 2k + 1, in y's precision): elements
// sqrt(-2 log(1 - u)) cos(2 pi v) and ... sin(2 pi v). A uniform float is (draw >> 8) / 2^24, a double (draw >> 11) /
// 2^53. Exponential: -log(1 - u) / lambda. A permutation sorts 0 .. n - 1 by 64-bit draws, equal ones by position;
// choices take one 64-bit draw for each element of y.

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
