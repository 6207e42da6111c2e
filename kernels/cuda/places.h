#pragma once
#include <fulmen/kernels/cuda/gpu.h>
#include <fulmen/kernels/layout.h>

// From the number of an item to where it lies in each operand: dimensions were merged on the host, and the divisions
// left are a multiplication and a shift each while numbers fit into 31 bits.
namespace fulmen::gpu {

/// Division of numbers below 2^31 by a number that is known on the host (Granlund and Montgomery 1994).
struct Divider {
  uint32_t factor;
  int32_t shift;

  static Divider by(int64_t divisor) {
    int shift = 0;
    while ((int64_t{1} << shift) < divisor) ++shift;
    const uint64_t power = uint64_t{1} << shift, d = static_cast<uint64_t>(divisor);
    return {static_cast<uint32_t>(((power - d) << 32) / d + 1), shift};
  }
  GPU_INLINE uint32_t quotient(uint32_t n) const { return (__umulhi(n, factor) + n) >> shift; }
};

/// Sixteen bytes of elements that are only moved.
using Packet = Vec<uint32_t, 4>;

inline constexpr int64_t small_limit = int64_t{1} << 31;

/// An iteration space in row-major order with one offset per operand, in elements.
template <int operands>
struct Places {
  int32_t ndim;
  bool small;  ///< item numbers fit into 31 bits
  int64_t items;
  int64_t sizes[max_dims];
  Divider dividers[max_dims];
  int64_t strides[operands][max_dims];

  Places() = default;
  explicit Places(const Layout<operands>& layout) : ndim(layout.ndim), items(1) {
    for (int d = 0; d < ndim; ++d) {
      items *= sizes[d] = layout.sizes[d];
      for (int k = 0; k < operands; ++k) strides[k][d] = layout.strides[k][d];
    }
    if (ndim == 0) {
      ndim = 1;
      sizes[0] = 1;
      for (int k = 0; k < operands; ++k) strides[k][0] = 1;
    }
    small = items < small_limit;
    for (int d = 0; d < ndim; ++d)
      dividers[d] = sizes[d] > 0 && sizes[d] < small_limit ? Divider::by(sizes[d]) : Divider{};
  }

  int64_t inner_size() const { return sizes[ndim - 1]; }
  int64_t inner_stride(int k) const { return strides[k][ndim - 1]; }

  /// Whether `width` neighbouring items are neighbours in operand k too, or one element that all of them share.
  bool joins(int k, int64_t width) const {
    for (int d = 0; d + 1 < ndim; ++d) {
      if (strides[k][d] % width != 0 && inner_stride(k) != 0) return false;
    }
    return inner_stride(k) == 0 || inner_stride(k) == 1;
  }
  /// Makes items of `width` neighbours; the last one may be short in one dimension.
  void join(int64_t width) {
    const int last = ndim - 1;
    sizes[last] = (sizes[last] + width - 1) / width;
    for (int k = 0; k < operands; ++k) strides[k][last] *= width;
    items = 1;
    for (int d = 0; d < ndim; ++d) items *= sizes[d];
    small = items < small_limit;
    dividers[last] = sizes[last] < small_limit ? Divider::by(sizes[last]) : Divider{};
  }

  /// Makes items of `width` neighbours, which divides everything; offsets of the operands from `first` on count them.
  void pack(int64_t width, int first) {
    const int last = ndim - 1;
    for (int k = first; k < operands; ++k) {
      for (int d = 0; d < last; ++d) strides[k][d] /= width;
    }
    sizes[last] /= width;
    items /= width;
    small = items < small_limit;
    dividers[last] = sizes[last] < small_limit ? Divider::by(sizes[last]) : Divider{};
  }

  GPU_INLINE void at(int64_t item, int64_t (&offsets)[operands]) const {
    for (int k = 0; k < operands; ++k) offsets[k] = 0;
    if (small) {
      auto rest = static_cast<uint32_t>(item);
#pragma unroll 1
      for (int d = ndim - 1; d > 0; --d) {
        const uint32_t quotient = dividers[d].quotient(rest);
        step(rest - quotient * static_cast<uint32_t>(sizes[d]), d, offsets);
        rest = quotient;
      }
      step(rest, 0, offsets);
    } else {
      int64_t rest = item;
#pragma unroll 1
      for (int d = ndim - 1; d > 0; --d) {
        step(rest % sizes[d], d, offsets);
        rest /= sizes[d];
      }
      step(rest, 0, offsets);
    }
  }

 private:
  GPU_INLINE void step(int64_t index, int d, int64_t (&offsets)[operands]) const {
    for (int k = 0; k < operands; ++k) offsets[k] += index * strides[k][d];
  }
};

}  // namespace fulmen::gpu
