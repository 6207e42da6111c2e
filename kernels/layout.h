#pragma once
#include <fulmen/kernels/view.h>

namespace fulmen {

/// The common iteration space of an output (operand 0) and the inputs that are broadcast to it. Dimensions run from the
/// outermost to the innermost; adjacent ones are merged wherever every operand allows it.
template <int operands>
struct Layout {
  int32_t ndim;
  int64_t numel;
  int64_t sizes[max_dims];
  int64_t strides[operands][max_dims];  ///< in elements; 0 where the operand is broadcast

  /// Whether operand k lies in memory in iteration order, without gaps.
  FULMEN_INLINE bool gapless(int k) const {
    int64_t expected = 1;
    for (int d = ndim - 1; d >= 0; --d) {
      if (strides[k][d] != expected) return false;
      expected *= sizes[d];
    }
    return true;
  }
  /// Whether operand k is one element for the whole space.
  FULMEN_INLINE bool constant(int k) const {
    for (int d = 0; d < ndim; ++d) {
      if (strides[k][d] != 0) return false;
    }
    return true;
  }

  /// Puts dimensions with larger output strides first, so that an output of any memory order is written in that order.
  FULMEN_INLINE void sort() {
    for (int i = 1; i < ndim; ++i) {
      for (int j = i; j > 0 && magnitude(strides[0][j]) > magnitude(strides[0][j - 1]); --j) swap(j, j - 1);
    }
  }
  FULMEN_INLINE void merge() {
    int kept = 0;
    for (int d = 0; d < ndim; ++d) {
      if (sizes[d] == 1) continue;
      bool joins = kept > 0;
      for (int k = 0; k < operands && joins; ++k) joins = strides[k][kept - 1] == strides[k][d] * sizes[d];
      int to = joins ? kept - 1 : kept++;
      sizes[to] = joins ? sizes[to] * sizes[d] : sizes[d];
      for (int k = 0; k < operands; ++k) strides[k][to] = strides[k][d];
    }
    ndim = kept;
  }

 private:
  FULMEN_INLINE static int64_t magnitude(int64_t stride) { return stride < 0 ? -stride : stride; }
  FULMEN_INLINE void swap(int i, int j) {
    int64_t size = sizes[i];
    sizes[i] = sizes[j];
    sizes[j] = size;
    for (int k = 0; k < operands; ++k) {
      int64_t stride = strides[k][i];
      strides[k][i] = strides[k][j];
      strides[k][j] = stride;
    }
  }
};

/// Inputs have y's sizes, or fewer dimensions (aligned at the right) or size 1 where they are broadcast.
template <int inputs>
FULMEN_INLINE Layout<1 + inputs> layout_of(const View& y, const ConstView* const (&x)[inputs]) {
  Layout<1 + inputs> layout;
  layout.ndim = y.ndim;
  layout.numel = y.numel;
  for (int d = 0; d < y.ndim; ++d) {
    layout.sizes[d] = y.sizes[d];
    layout.strides[0][d] = y.strides[d];
    for (int k = 0; k < inputs; ++k) {
      int own = d - (y.ndim - x[k]->ndim);
      layout.strides[1 + k][d] = own < 0 || x[k]->sizes[own] == 1 ? 0 : x[k]->strides[own];
    }
  }
  layout.sort();
  layout.merge();
  return layout;
}

}  // namespace fulmen
