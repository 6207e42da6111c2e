#pragma once
#include <fulmen/kernels/conv.h>

// What the convolution kernels of both devices walk along one dimension. A convolution is one walk; a transposed one
// with stride s is s walks per dimension, each of which computes every s-th element of the result from every few
// elements of the weight, so that no product with an inserted zero is ever made.
namespace fulmen {

/// Element o of a walk is element o * out_step + out_first of the result. Its tap t reads element o * in_step + t *
/// tap_step + in_first of the source, zero outside of [0, in_size), and multiplies it by element t * kernel_step +
/// kernel_first of the weight.
struct ConvWalk {
  int64_t outputs, out_step, out_first;
  int64_t taps, kernel_step, kernel_first;
  int64_t in_size, in_step, tap_step, in_first;
};

FULMEN_INLINE ConvWalk forward_walk(const ConvAxis& axis, int64_t in, int64_t kernel, int64_t out) {
  return {out, 1, 0, kernel, 1, 0, in, axis.stride, axis.dilation, -axis.padding};
}

/// Walk `phase` < stride of a transposed convolution: the results at phase, phase + stride, ...
FULMEN_INLINE ConvWalk transposed_walk(const ConvAxis& axis, int64_t x_size, int64_t kernel, int64_t y_size,
                                       int64_t phase) {
  int64_t a = axis.dilation, divisor = axis.stride;  // becomes their greatest common divisor
  while (a != 0) {
    const int64_t rest = divisor % a;
    divisor = a;
    a = rest;
  }
  const int64_t step = axis.stride / divisor, outputs = phase < x_size ? (x_size - 1 - phase) / axis.stride + 1 : 0;
  int64_t first = 0;  // the first element of the weight whose y is a whole number
  while (first < step && first < kernel && (phase + axis.padding - first * axis.dilation) % axis.stride != 0) ++first;
  const bool none = first >= step || first >= kernel;
  return {outputs,
          axis.stride,
          phase,
          none ? 0 : (kernel - 1 - first) / step + 1,
          step,
          first,
          y_size,
          1,
          -(axis.dilation / divisor),
          none ? 0 : (phase + axis.padding - first * axis.dilation) / axis.stride};
}

}  // namespace fulmen
