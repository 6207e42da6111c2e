#pragma once
#include <fulmen/kernels/compute.h>

// How elementwise kernels run on the CPU. An operation is one loop over contiguous memory per dtype, a Row; everything
// else (strides, broadcasting, conversion, threads) happens once, in run(), which brings pieces of operands that do not
// fit into buffers that stay in the first-level cache.
namespace fulmen::FULMEN_ISA {

struct Params {
  Number a, b;
};

/// y[i] = f(x[0][i], x[1][i], ...) for i < n; all contiguous, each of the type that the row was made for.
using Row = void (*)(void* y, const void* const* x, int64_t n, const Params& params);

struct Operand {
  const ConstView& view;
  ScalarType type;  ///< as the row reads it
};

/// Elements per thread at least, for work as cheap as an addition and for functions like exp.
inline constexpr int64_t cheap_grain = 32768, dear_grain = 4096;

/// Runs `row` over y and the inputs broadcast to it. `result` is the type that the row writes.
template <int inputs>
void run(Row row, const Params& params, const View& y, ScalarType result, const Operand (&x)[inputs],
         int64_t grain = cheap_grain);
extern template void run(Row, const Params&, const View&, ScalarType, const Operand (&)[1], int64_t);
extern template void run(Row, const Params&, const View&, ScalarType, const Operand (&)[2], int64_t);
extern template void run(Row, const Params&, const View&, ScalarType, const Operand (&)[3], int64_t);

/// A number in memory, with a view on it, to stand for an operand.
struct NumberOperand {
  NumberOperand(const Number& c, ScalarType type) {
    view.data = &value;
    view.dtype = type;
    view.ndim = 0;
    view.numel = 1;
    switch (type) {
#define X(T, N)                                      \
  case ScalarType::N:                                \
    *reinterpret_cast<T*>(&value) = number_as<T>(c); \
    break;
      FULMEN_FOR_EACH_DTYPE(X)
#undef X
      default:
        break;
    }
  }
  alignas(8) char value[8];
  ConstView view;
};

}  // namespace fulmen::FULMEN_ISA
