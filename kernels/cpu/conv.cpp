#include <fulmen/kernels/conv.h>
#include <fulmen/kernels/cpu/conv_images.h>
#include <fulmen/kernels/cpu/conv_slab.h>
#include <fulmen/kernels/cpu/conv_tile.h>

// Convolution as a product of matrices, (outputs x channels and taps) times (channels and taps x places), whose second
// factor is never written: tiles read its rows from a slab (conv_slab.h) at an offset per tap. A task is a box of one
// image and group: it fills its slab and computes all outputs of the box from it, or a part of their channels where
// there are few tasks. Where planes are small a task is a number of images that lie side by side in its slab
// (conv_images.h). Every element is one chain of multiply-adds over channels and taps, in blocks of depth_block.
namespace fulmen::FULMEN_ISA {

namespace {

/// The results of one walk per dimension, from the source.
template <class S>
struct WalkProduct {
  ConvWalk walks[3]{};
  int64_t images, groups, rows, channels;  ///< rows and channels: of the result and the source, per group
  const S *source, *weight, *bias;
  S* result;
  int64_t weight_group, weight_row, weight_channel;  ///< strides
  int64_t kernel[3]{}, result_size[3]{};
  int64_t source_plane() const { return walks[0].in_size * walks[1].in_size * walks[2].in_size; }
  int64_t result_plane() const { return result_size[0] * result_size[1] * result_size[2]; }
};

/// How the work is cut, and the weight in the order of the tiles. All of it follows from sizes.
template <class S>
struct Work {
  using T = Compute<S>;
  const WalkProduct<S>& p;
  Slab slab;
  bool direct;                           ///< the source is read without a slab
  int64_t many = 0;                      ///< images side by side; 0: each by itself
  int64_t depth, height, tiles, shares;  ///< rows of a tile; tiles of a group; tasks that share the tiles of a box
  T* weights;                            ///< [groups][tiles][depth][height]
  int64_t* offsets;                      ///< [depth]

  explicit Work(const WalkProduct<S>& product) : p(product), slab(product.walks) {
    direct = std::is_same_v<S, T> && is_pointwise(p.walks);
    depth = p.channels * slab.taps();
    choose_images();
    const int64_t cost =
        p.images * p.groups * p.rows * (depth + 1) * p.walks[0].outputs * p.walks[1].outputs * p.walks[2].outputs;
    const int64_t wanted = smaller(16, cost / parallel_work + 1),
                  products = divide_up(p.images, many > 0 ? many : 1) * p.groups;
    if (many == 0)
      slab.cut(direct ? 0 : p.channels, (1 << 19) / static_cast<int64_t>(sizeof(T)), divide_up(wanted, products));
    shares = smaller(many > 0 ? divide_up(tiles, 4) : tiles, divide_up(wanted, products * slab.boxes()));
    const size_t weight_bytes = sizeof(T) * static_cast<size_t>(p.groups * tiles * height * depth + 64);
    auto* memory = static_cast<char*>(thread_scratch(Scratch::Block, weight_bytes + sizeof(int64_t) * depth));
    offsets = reinterpret_cast<int64_t*>(memory);
    weights = reinterpret_cast<T*>(memory + sizeof(int64_t) * depth);
    if (direct) {
      for (int64_t c = 0; c < depth; ++c) offsets[c] = c * p.source_plane();
    } else {
      slab.fill_offsets(p.channels, offsets);
    }
    for (int64_t c = 0; c < depth && many > 0; ++c) offsets[c] *= many;
  }
  int64_t places() const { return p.walks[0].outputs * p.walks[1].outputs * p.walks[2].outputs; }
  /// Whether images lie side by side, and how a group's rows are divided among tiles.
  void choose_images() {
    tiles = divide_up(p.rows, packed_rows);
    height = divide_up(p.rows, tiles);
    tiles = divide_up(p.rows, height);
    const int64_t side_by_side = tile_cols_of(height) * lanes<T>;
    const int64_t run = p.walks[0].outputs * ((p.walks[1].outputs - 1) * slab.axes[2].size + p.walks[2].outputs);
    const int64_t rounded = divide_up(run, lanes<T>) * lanes<T>;
    if (slab.elements(p.channels) * side_by_side > (1 << 20) || places() > 256) return;
    if (!interleaves(p.images, side_by_side, places(), rounded)) return;
    // Bringing an element into its place takes as long as some 50 products.
    if (192 * slab.channel() > slab.taps() * places() * p.rows) return;
    many = side_by_side;
    direct = false;
  }

  void pack_weights() const {
    parallel_for(p.groups * tiles, divide_up(1 << 14, height * depth + 1), [&](int64_t first, int64_t last) {
      for (int64_t t = first; t < last; ++t) {
        for (int64_t r = 0; r < height; ++r)
          pack_row(t / tiles, t % tiles * height + r, weights + t * depth * height + r);
      }
    });
  }
  void pack_row(int64_t group, int64_t row, T* to) const {
    const ConvWalk(&w)[3] = p.walks;
    const S* of_row = p.weight + group * p.weight_group + row * p.weight_row;
    for (int64_t c = 0; c < p.channels; ++c) {
      for (int64_t i = 0; i < w[0].taps; ++i) {
        for (int64_t j = 0; j < w[1].taps; ++j) {
          const int64_t at =
              ((i * w[0].kernel_step + w[0].kernel_first) * p.kernel[1] + j * w[1].kernel_step + w[1].kernel_first) *
              p.kernel[2];
          for (int64_t k = 0; k < w[2].taps; ++k, to += height) {
            *to = row < p.rows
                      ? static_cast<T>(of_row[c * p.weight_channel + at + k * w[2].kernel_step + w[2].kernel_first])
                      : T(0);
          }
        }
      }
    }
  }
};

/// Results side by side: `count` of a sliver from `at` on go to `place` and on of a plane.
struct Segment {
  int64_t at, place, count;
};

template <class S, class T>
FULMEN_INLINE void put_segment(const T* sums, T bias, int64_t count, S* to, int64_t step) {
  if constexpr (std::is_same_v<S, T>) {
    if (step == 1 && count >= lanes<T>) {
      const Vec<T> more = splat<Vec<T>>(bias);
      for (int64_t i = 0; i < count; i += lanes<T>) {
        const int64_t k = i + lanes<T> <= count ? i : count - lanes<T>;  // the last one may write some again
        store(to + k, load<Vec<T>>(sums + k) + more);
      }
      return;
    }
  }
  for (int64_t i = 0; i < count; ++i) to[i * step] = S(sums[i] + bias);
}

/// A box of one image and group, tiles [first, last) of its rows.
template <class S>
class BoxTask {
  using T = Compute<S>;

 public:
  BoxTask(const Work<S>& work, int64_t product, int64_t box)
      : w_(work), group_(product % work.p.groups), box_(work.slab.box_at(box)) {
    const WalkProduct<S>& p = w_.p;
    const S* source = p.source + product * p.channels * p.source_plane();
    result_ = p.result + product * p.rows * p.result_plane();
    if constexpr (std::is_same_v<S, T>) {
      if (w_.direct) {
        from_ = source;
        return;
      }
    }
    auto* slab =
        static_cast<T*>(thread_scratch(Scratch::Panel, sizeof(T) * static_cast<size_t>(w_.slab.elements(p.channels))));
    fill_slab(w_.slab, box_.first, source, p.channels, slab);
    from_ = slab;
  }
  void run(int64_t first, int64_t last) {
    const bool direct = w_.direct;
    const int64_t pitch = direct ? box_.size[2] : w_.slab.axes[2].size;
    const int64_t all = (box_.size[1] - 1) * pitch + box_.size[2];
    const int64_t width = tile_cols_of(w_.height) * lanes<T>;
    for (int64_t z = 0; z < box_.size[0]; ++z) {
      const T* plane = from_ + z * w_.slab.plane();
      for (int64_t q = 0; q < all;) {
        const bool whole = all - q > lanes<T>;
        const int64_t step = whole ? width : lanes<T>;
        const int64_t segments = find_segments(z, q, smaller(q + step, all), pitch);
        if (direct) {
          plane = from_ + box_.first[2];
          if (box_.first[2] + q + step > w_.p.source_plane()) {
            copy_end(plane + q, all - q, step);
            sliver(first, last, end_, end_offsets_, whole, segments);
            break;
          }
        }
        sliver(first, last, plane + q, w_.offsets, whole, segments);
        q += step;
      }
    }
  }

 private:
  /// The parts of places [begin, end) of plane z that are outputs.
  int64_t find_segments(int64_t z, int64_t begin, int64_t end, int64_t pitch) {
    const WalkProduct<S>& p = w_.p;
    auto place = [&](int d, int64_t o) { return (box_.first[d] + o) * p.walks[d].out_step + p.walks[d].out_first; };
    int64_t count = 0;
    for (int64_t q = begin; q < end;) {
      const int64_t row = q / pitch, col = q % pitch, next = smaller((row + 1) * pitch, end);
      if (col < box_.size[2]) {
        segments_[count++] = {q - begin,
                              (place(0, z) * p.result_size[1] + place(1, row)) * p.result_size[2] + place(2, col),
                              smaller(next - q, box_.size[2] - col)};
      }
      q = next;
    }
    return count;
  }
  /// Without a slab there is nothing behind the last row that may be read: its end is copied to where there is.
  void copy_end(const T* from, int64_t cols, int64_t step) {
    auto* memory = static_cast<T*>(thread_scratch(
        Scratch::Panel, (sizeof(T) * static_cast<size_t>(step) + sizeof(int64_t)) * static_cast<size_t>(w_.depth)));
    auto* offsets = reinterpret_cast<int64_t*>(memory + step * w_.depth);
    for (int64_t c = 0; c < w_.depth; ++c) {
      offsets[c] = c * step;
      for (int64_t i = 0; i < step; ++i) memory[c * step + i] = i < cols ? from[w_.offsets[c] + i] : T(0);
    }
    end_ = memory;
    end_offsets_ = offsets;
  }
  void sliver(int64_t first, int64_t last, const T* from, const int64_t* offsets, bool whole, int64_t segments) {
    const WalkProduct<S>& p = w_.p;
    T sums[packed_rows * most_tile_cols * lanes<T>];
    const int64_t height = w_.height, pitch = whole ? tile_cols_of(height) * lanes<T> : lanes<T>;
    const auto tile = conv_tile_of<T>(height, whole);
    for (int64_t t = first; t < last; ++t) {
      tile(w_.depth, w_.weights + (group_ * w_.tiles + t) * w_.depth * height, from, offsets, sums);
      const int64_t rows = smaller(height, p.rows - t * height);
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t row = t * height + r;
        const T bias = p.bias ? static_cast<T>(p.bias[group_ * p.rows + row]) : T(0);
        S* to = result_ + row * p.result_plane();
        for (int64_t s = 0; s < segments; ++s) {
          put_segment(sums + r * pitch + segments_[s].at, bias, segments_[s].count, to + segments_[s].place,
                      p.walks[2].out_step);
        }
      }
    }
  }

  const Work<S>& w_;
  int64_t group_;
  ConvBox box_;
  S* result_;
  const T *from_, *end_ = nullptr;
  const int64_t* end_offsets_ = nullptr;
  Segment segments_[most_tile_cols * lanes<T>];
};

/// Images [first, first + many) of a group, tiles [begin, end) of its rows.
template <class S>
void run_images(const Work<S>& w, int64_t block, int64_t group, int64_t begin, int64_t end) {
  using T = Compute<S>;
  const WalkProduct<S>& p = w.p;
  const Slab& slab = w.slab;
  const int64_t many = w.many, first = block * many, places = w.places();
  const ImageBlock<S, T> images{p.source + (first * p.groups + group) * p.channels * p.source_plane(),
                                p.groups * p.channels * p.source_plane(),
                                smaller(many, p.images - first),
                                many,
                                p.channels,
                                p.source_plane()};
  const int64_t slab_elements = ImageBlock<S, T>::slab_elements(slab, p.channels, many),
                stage_elements = w.height * places * many;
  const int64_t scratch_elements = ImageBlock<S, T>::scratch_elements(slab, many);
  const int64_t second = scratch_elements > stage_elements ? scratch_elements : stage_elements;
  auto* from = static_cast<T*>(thread_scratch(Scratch::Panel, sizeof(T) * static_cast<size_t>(slab_elements + second)));
  T* stage = from + slab_elements;  // [places][height][many]
  images.fill(slab, stage, from);
  const auto tile = conv_tile_of<T>(w.height, true);
  const ConvWalk(&walk)[3] = p.walks;
  for (int64_t t = begin; t < end; ++t) {
    const T* weights = w.weights + (group * w.tiles + t) * w.depth * w.height;
    T* sums = stage;
    for (int64_t z = 0; z < walk[0].outputs; ++z) {
      for (int64_t v = 0; v < walk[1].outputs; ++v) {
        const T* line = from + (z * slab.plane() + v * slab.axes[2].size) * many;
        for (int64_t u = 0; u < walk[2].outputs; ++u, sums += w.height * many) {
          tile(w.depth, weights, line + u * many, w.offsets, sums);
        }
      }
    }
    for (int64_t r = 0; r < smaller(w.height, p.rows - t * w.height); ++r) {
      const int64_t row = group * p.rows + t * w.height + r;
      const T bias = p.bias ? static_cast<T>(p.bias[row]) : T(0);
      for (int64_t i = 0; i < images.images; ++i) {
        S* to = p.result + ((first + i) * p.groups * p.rows + row) * p.result_plane();
        const T* sum = stage + r * many + i;
        auto place = [&](int d, int64_t o) { return o * walk[d].out_step + walk[d].out_first; };
        for (int64_t z = 0; z < walk[0].outputs; ++z) {
          for (int64_t v = 0; v < walk[1].outputs; ++v) {
            S* line = to + (place(0, z) * p.result_size[1] + place(1, v)) * p.result_size[2] + walk[2].out_first;
            for (int64_t u = 0; u < walk[2].outputs; ++u, sum += w.height * many) {
              line[u * walk[2].out_step] = S(*sum + bias);
            }
          }
        }
      }
    }
  }
}

template <class S>
void run_product(WalkProduct<S> p) {
  if (is_pointwise(p.walks)) {  // one long row
    const int64_t plane = p.result_plane();
    for (int d = 0; d < 3; ++d) {
      p.result_size[d] = p.walks[d].outputs = p.walks[d].in_size = d < 2 ? 1 : plane;
    }
  }
  for (const ConvWalk& w : p.walks) {
    if (w.outputs == 0) return;
  }
  if (p.images * p.groups * p.rows == 0) return;
  const Work<S> work(p);
  work.pack_weights();
  if (work.many > 0) {
    const int64_t blocks = divide_up(p.images, work.many);
    const int64_t task_cost = (work.depth + 1) * p.rows * work.places() * work.many / work.shares;
    parallel_for(blocks * p.groups * work.shares, divide_up(parallel_work / 2, task_cost + 1),
                 [&](int64_t first, int64_t last) {
                   for (int64_t t = first; t < last; ++t) {
                     const int64_t share = t % work.shares, product = t / work.shares;
                     run_images(work, product / p.groups, product % p.groups, work.tiles * share / work.shares,
                                work.tiles * (share + 1) / work.shares);
                   }
                 });
    return;
  }
  const int64_t boxes = work.slab.boxes(), tasks = p.images * p.groups * boxes * work.shares;
  const int64_t task_cost = (work.depth + 1) * p.rows * work.slab.box[0] * work.slab.box[1] * work.slab.box[2];
  parallel_for(tasks, divide_up(parallel_work / 2, task_cost / work.shares + 1), [&](int64_t first, int64_t last) {
    for (int64_t t = first; t < last; ++t) {
      const int64_t share = t % work.shares, box = t / work.shares % boxes;
      BoxTask<S> task(work, t / work.shares / boxes, box);
      task.run(work.tiles * share / work.shares, work.tiles * (share + 1) / work.shares);
    }
  });
}

}  // namespace

void convolution(const Launch&, const View& y, const ConstView& x, const ConstView& w, const ConstView& bias,
                 const ConvGeometry& g) {
  if (y.numel == 0) return;
  for_real(y.dtype, [&]<class S>(S*) {
    const int64_t kernel = w.sizes[2] * w.sizes[3] * w.sizes[4];
    WalkProduct<S> p{.images = y.sizes[0],
                     .groups = g.groups,
                     .rows = y.sizes[1] / g.groups,
                     .channels = x.sizes[1] / g.groups,
                     .source = x.as<S>(),
                     .weight = w.as<S>(),
                     .bias = bias.as<S>(),
                     .result = y.as<S>(),
                     .weight_group = w.numel / g.groups,
                     .weight_row = w.sizes[1] * kernel,
                     .weight_channel = kernel};
    for (int d = 0; d < 3; ++d) {
      p.walks[d] = forward_walk(g.axes[d], x.sizes[d + 2], w.sizes[d + 2], y.sizes[d + 2]);
      p.kernel[d] = w.sizes[d + 2];
      p.result_size[d] = y.sizes[d + 2];
    }
    run_product(p);
  });
}

void convolution_transposed(const Launch&, const View& x, const ConstView& y, const ConstView& w, const ConstView& bias,
                            const ConvGeometry& g) {
  if (x.numel == 0) return;
  for_real(x.dtype, [&]<class S>(S*) {
    const int64_t kernel = w.sizes[2] * w.sizes[3] * w.sizes[4];
    WalkProduct<S> p{.images = x.sizes[0],
                     .groups = g.groups,
                     .rows = x.sizes[1] / g.groups,
                     .channels = y.sizes[1] / g.groups,
                     .source = y.as<S>(),
                     .weight = w.as<S>(),
                     .bias = bias.as<S>(),
                     .result = x.as<S>(),
                     .weight_group = w.numel / g.groups,
                     .weight_row = kernel,
                     .weight_channel = w.sizes[1] * kernel};
    for (int d = 0; d < 3; ++d) {
      p.kernel[d] = w.sizes[d + 2];
      p.result_size[d] = x.sizes[d + 2];
    }
    const ConvAxis(&a)[3] = g.axes;
    for (int64_t phase = 0; phase < a[0].stride * a[1].stride * a[2].stride; ++phase) {
      const int64_t phases[3] = {phase / a[2].stride / a[1].stride, phase / a[2].stride % a[1].stride,
                                 phase % a[2].stride};
      for (int d = 0; d < 3; ++d) {
        p.walks[d] = transposed_walk(a[d], x.sizes[d + 2], w.sizes[d + 2], y.sizes[d + 2], phases[d]);
      }
      run_product(p);
    }
  });
}

}  // namespace fulmen::FULMEN_ISA
