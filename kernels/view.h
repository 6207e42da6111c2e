#pragma once
#include <fulmen/kernels/dtype.h>

namespace fulmen {

/// The largest number of dimensions a tensor may have.
inline constexpr int max_dims = 16;

/// What a kernel sees of a tensor: raw memory and its layout. Strides count elements and may be 0 (expanded); a view
/// that is read only is passed as ConstView. Only the first `ndim` entries of `sizes` and `strides` are set.
template <class Pointer>
struct BasicView {
  Pointer data;
  ScalarType dtype;
  int32_t ndim;
  int64_t numel;
  int64_t sizes[max_dims];
  int64_t strides[max_dims];

  template <class T>
  FULMEN_HD FULMEN_INLINE auto* as() const {
    if constexpr (std::is_const_v<std::remove_pointer_t<Pointer>>) {
      return static_cast<const T*>(data);
    } else {
      return static_cast<T*>(data);
    }
  }
  FULMEN_HD FULMEN_INLINE int64_t size(int i) const { return sizes[i < 0 ? i + ndim : i]; }
  FULMEN_HD FULMEN_INLINE int64_t stride(int i) const { return strides[i < 0 ? i + ndim : i]; }
  /// True when elements lie in row-major order without gaps.
  FULMEN_HD FULMEN_INLINE bool contiguous() const {
    int64_t expected = 1;
    for (int i = ndim - 1; i >= 0; --i) {
      if (sizes[i] != 1 && strides[i] != expected) return numel == 0;
      expected *= sizes[i];
    }
    return true;
  }
};
using View = BasicView<void*>;
using ConstView = BasicView<const void*>;

}  // namespace fulmen
