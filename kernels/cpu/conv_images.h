#pragma once
#include <fulmen/kernels/cpu/conv_slab.h>

// For small planes, of which a register would hold mostly gaps: slabs of several images at once, whose elements are
// runs of one number of each image. A register then holds the same place of as many images.
namespace fulmen::FULMEN_ISA {

/// Images that are read together.
template <class S, class T>
struct ImageBlock {
  const S* first;    ///< of the first image and channel
  int64_t distance;  ///< from image to image
  int64_t images;    ///< there are; the others of `many` are zeros
  int64_t many;
  int64_t channels, plane;  ///< plane: elements of a channel

  /// From image to image in `scratch` below: an odd number of cache lines, so that they do not push each other out.
  static int64_t scratch_pitch(const Slab& slab) {
    constexpr int64_t line = 64 / static_cast<int64_t>(sizeof(T));
    return ((slab.elements(1) / line + 1) | 1) * line;
  }
  static int64_t scratch_elements(const Slab& slab, int64_t many) { return many * scratch_pitch(slab); }
  /// Of `to`: [channels][slab.channel()][many], and zeros that end the last row. The slab's box is all of an image.
  static int64_t slab_elements(const Slab& slab, int64_t channels, int64_t many) {
    return (channels * slab.channel() + slab.overlap) * many;
  }
  void fill(const Slab& slab, T* scratch, T* to) const {
    const int64_t origin[3] = {0, 0, 0}, one = slab.channel(), pitch = scratch_pitch(slab);
    for (int64_t i = images * pitch; i < many * pitch; ++i) scratch[i] = T(0);
    for (int64_t c = 0; c < channels; ++c, to += one * many) {
      for (int64_t i = 0; i < images; ++i) {
        fill_slab(slab, origin, first + i * distance + c * plane, 1, scratch + i * pitch);
      }
      interleave(scratch, pitch, one, to);
    }
    for (int64_t i = 0; i < slab.overlap * many; ++i) to[i] = T(0);
  }
  /// The same without a slab: to [channels * plane][many].
  void fill(T* scratch, T* to) const {
    const int64_t all = channels * plane;
    for (int64_t c = 0; c < all; c += row) {
      const int64_t count = smaller(row, all - c);
      for (int64_t i = 0; i < many; ++i) {
        for (int64_t e = 0; e < count; ++e) {
          scratch[i * row + e] = i < images ? static_cast<T>(first[i * distance + c + e]) : T(0);
        }
      }
      interleave(scratch, row, count, to + c * many);
    }
  }
  static constexpr int64_t row =
      5 * 64 / static_cast<int64_t>(sizeof(T));  ///< the second fill's scratch: many * row elements

 private:
  void interleave(const T* from, int64_t pitch, int64_t count, T* to) const {
    int64_t e = 0;
    for (; e + 4 <= count; e += 4) {  // four at a time: each line of `from` is met fewer times
      for (int64_t i = 0; i < many; ++i) {
        const T* f = from + i * pitch + e;
        T* t = to + e * many + i;
        const T a = f[0], b = f[1], c = f[2], d = f[3];
        t[0] = a, t[many] = b, t[2 * many] = c, t[3 * many] = d;
      }
    }
    for (; e < count; ++e) {
      for (int64_t i = 0; i < many; ++i) to[e * many + i] = from[i * pitch + e];
    }
  }
};

/// What a result costs with `many` images side by side, and with runs of `pitch`, in elements of registers per image.
FULMEN_INLINE bool interleaves(int64_t images, int64_t many, int64_t places, int64_t run) {
  return divide_up(images, many) * many * places * 5 < images * run * 4;
}

}  // namespace fulmen::FULMEN_ISA
