#pragma once
#include <fulmen/kernels/dtype.h>

// Only for files of kernels/cpu.
namespace fulmen::FULMEN_ISA {

/// y[i * y_stride] = x[i * x_stride] for i < n; strides count elements of each side's own type.
using Convert = void (*)(void* y, int64_t y_stride, const void* x, int64_t x_stride, int64_t n);

/// The conversion between two dtypes. Floating point to integer drops the fraction, to bool asks "not zero".
Convert converter(ScalarType to, ScalarType from);

}  // namespace fulmen::FULMEN_ISA
