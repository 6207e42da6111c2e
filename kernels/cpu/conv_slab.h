#pragma once
#include <fulmen/kernels/conv_axes.h>
#include <fulmen/kernels/cpu/gemm_product.h>

// Where a convolution reads its source from: a slab, which is a copy of a box of the source with its borders, so laid
// out that the inputs of neighbouring outputs are neighbours for every tap. A tap is then nothing but an offset, and
// the matrix of all patches need never be written.
//
// With stride s the source is dealt into s planes per dimension (its phases): outputs side by side read every s-th
// element, which lie side by side in one plane. Rows follow each other with one gap of zeros that serves as the end of
// a row and the beginning of the next, and outputs are counted through all rows: a few of them fall into gaps.
namespace fulmen::FULMEN_ISA {

/// One dimension of a slab.
struct SlabAxis {
  ConvWalk walk;
  int64_t low;     ///< the source element that output 0 of tap 0 (or the last one) reads: the lowest
  int64_t phases;  ///< planes
  int64_t reach;   ///< how far behind the first output's place the farthest tap reads
  int64_t size;    ///< of a plane: box and reach; along a row, its pitch

  explicit SlabAxis(const ConvWalk& w) : walk(w) {
    const int64_t last = w.taps > 0 ? (w.taps - 1) * w.tap_step : 0;
    low = w.in_first + (last < 0 ? last : 0);
    reach = (last < 0 ? -last : last) / w.in_step;
    int64_t period = 1;  // taps until one reads the same phase again
    while (period * w.tap_step % w.in_step != 0) ++period;
    phases = smaller(period, w.taps < 1 ? 1 : w.taps);
    size = 0;
  }
  int64_t phase_of(int64_t tap) const { return walk.in_step == 1 ? 0 : tap % phases; }
  int64_t shift_of(int64_t tap) const { return (tap * walk.tap_step + walk.in_first - low) / walk.in_step; }
  /// Plane element `u` of a phase is source element u * in_step + origin(phase).
  int64_t origin(int64_t phase) const { return low + (walk.in_step == 1 ? 0 : phase * walk.tap_step % walk.in_step); }
  /// The first u >= 0 with u * in_step + from >= bound.
  int64_t first_at(int64_t bound, int64_t from) const {
    return bound <= from ? 0 : divide_up(bound - from, walk.in_step);
  }
};

/// A box of outputs.
struct ConvBox {
  int64_t first[3], size[3];
};

struct Slab {
  SlabAxis axes[3];
  int64_t box[3];   ///< outputs of the largest box
  int64_t overlap;  ///< of the zeros after a row with those before the next
  /// Elements that reads may go beyond the last row.
  int64_t slack() const { return overlap + 256; }
  int64_t plane() const { return axes[1].size * axes[2].size; }
  int64_t volume() const { return axes[0].size * plane(); }
  int64_t channel() const { return axes[0].phases * axes[1].phases * axes[2].phases * volume(); }
  int64_t elements(int64_t channels) const { return channels * channel() + slack(); }
  int64_t boxes(int d) const { return divide_up(axes[d].walk.outputs, box[d]); }
  int64_t boxes() const { return boxes(0) * boxes(1) * boxes(2); }
  int64_t taps() const { return axes[0].walk.taps * axes[1].walk.taps * axes[2].walk.taps; }

  explicit Slab(const ConvWalk (&walks)[3]) : axes{SlabAxis(walks[0]), SlabAxis(walks[1]), SlabAxis(walks[2])} {
    for (int d = 0; d < 3; ++d) box[d] = axes[d].walk.outputs;
    measure();
  }
  /// Sizes for the present box.
  void measure() {
    for (int d = 0; d < 3; ++d) axes[d].size = box[d] + axes[d].reach;
    overlap = 0;
    SlabAxis& row = axes[2];
    if (box[2] < row.walk.outputs) return;
    int64_t before = row.size, after = row.size;
    for (int64_t p = 0; p < row.phases; ++p) {
      const int64_t inside = row.first_at(0, row.origin(p)), outside = row.first_at(row.walk.in_size, row.origin(p));
      before = smaller(before, inside);
      after = smaller(after, outside < row.size ? row.size - outside : 0);
    }
    overlap = smaller(smaller(before, after), row.reach);  // a row must hold its outputs
    row.size -= overlap;
  }
  /// Cuts boxes in halves until a slab of so many channels has at most `most` elements, and while there are less than
  /// `least` boxes worth having. All of it follows from sizes.
  void cut(int64_t channels, int64_t most, int64_t least) {
    while (elements(channels) > most || boxes() < least) {
      const bool must = elements(channels) > most;
      const int d = box[0] > 1 ? 0 : box[1] > (must ? 1 : 7) ? 1 : must && box[2] > 64 + axes[2].reach ? 2 : -1;
      if (d < 0) return;
      box[d] = divide_up(box[d], 2);
      measure();
    }
  }
  ConvBox box_at(int64_t index) const {
    ConvBox b;
    for (int d = 2; d >= 0; --d) {
      b.first[d] = index % boxes(d) * box[d];
      index /= boxes(d);
      b.size[d] = smaller(box[d], axes[d].walk.outputs - b.first[d]);
    }
    return b;
  }
  /// offsets[(channel, tap)]: what to add to the place of an output.
  void fill_offsets(int64_t channels, int64_t* offsets) const {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t i = 0; i < axes[0].walk.taps; ++i) {
        for (int64_t j = 0; j < axes[1].walk.taps; ++j) {
          for (int64_t k = 0; k < axes[2].walk.taps; ++k) {
            const int64_t phase =
                (axes[0].phase_of(i) * axes[1].phases + axes[1].phase_of(j)) * axes[2].phases + axes[2].phase_of(k);
            *offsets++ = c * channel() + phase * volume() + axes[0].shift_of(i) * plane() +
                         axes[1].shift_of(j) * axes[2].size + axes[2].shift_of(k);
          }
        }
      }
    }
  }
};

/// One row of a plane: zeros outside of the source.
template <class S, class T>
FULMEN_INLINE void copy_slab_row(const SlabAxis& row, int64_t origin, const S* source, T* to) {
  const int64_t step = row.walk.in_step;
  const int64_t begin = smaller(row.first_at(0, origin), row.size),
                end = smaller(row.first_at(row.walk.in_size, origin), row.size);
  for (int64_t u = 0; u < begin; ++u) to[u] = T(0);
  if (step == 1) {
    for (int64_t u = begin; u < end; ++u) to[u] = static_cast<T>(source[origin + u]);
  } else {
    for (int64_t u = begin; u < end; ++u) to[u] = static_cast<T>(source[origin + u * step]);
  }
  for (int64_t u = end < begin ? begin : end; u < row.size; ++u) to[u] = T(0);
}

/// Fills a slab for the box whose first output is `first`. source: [channels, in sizes].
template <class S, class T>
static void fill_slab(const Slab& slab, const int64_t (&first)[3], const S* source, int64_t channels, T* to) {
  const SlabAxis(&axes)[3] = slab.axes;
  const int64_t rows = axes[1].walk.in_size, cols = axes[2].walk.in_size;
  auto origin = [&](int d, int64_t phase) { return axes[d].origin(phase) + first[d] * axes[d].walk.in_step; };
  for (int64_t c = 0; c < channels; ++c) {
    const S* channel = source + c * axes[0].walk.in_size * rows * cols;
    for (int64_t p = 0; p < axes[0].phases * axes[1].phases * axes[2].phases; ++p) {
      const int64_t p2 = p % axes[2].phases, p1 = p / axes[2].phases % axes[1].phases,
                    p0 = p / axes[2].phases / axes[1].phases;
      for (int64_t u = 0; u < axes[0].size; ++u) {
        const int64_t z = u * axes[0].walk.in_step + origin(0, p0);
        for (int64_t v = 0; v < axes[1].size; ++v, to += axes[2].size) {
          const int64_t y = v * axes[1].walk.in_step + origin(1, p1);
          if (z < 0 || z >= axes[0].walk.in_size || y < 0 || y >= rows) {
            for (int64_t i = 0; i < axes[2].size; ++i) to[i] = T(0);
          } else {
            copy_slab_row(axes[2], origin(2, p2), channel + (z * rows + y) * cols, to);
          }
        }
      }
    }
  }
  for (int64_t i = 0; i < slab.slack(); ++i) to[i] = T(0);
}

/// A whole view of one tap, no borders, every element once: the source itself serves as its slab.
FULMEN_INLINE bool is_pointwise(const ConvWalk (&walks)[3]) {
  for (const ConvWalk& w : walks) {
    if (w.taps != 1 || w.in_step != 1 || w.out_step != 1 || w.in_first != 0 || w.outputs != w.in_size) return false;
  }
  return true;
}

}  // namespace fulmen::FULMEN_ISA
