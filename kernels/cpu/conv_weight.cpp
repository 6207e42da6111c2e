#include <fulmen/kernels/conv.h>
#include <fulmen/kernels/cpu/conv_images.h>
#include <fulmen/kernels/cpu/conv_slab.h>
#include <fulmen/kernels/cpu/conv_tile.h>

// The gradient for the weight of a convolution: for every output channel, channel and tap the sum of y times what the
// tap reads, over all places of all images. The source comes as a slab (conv_slab.h), y with the slab's gaps between
// its rows, filled with zeros: then every sum is a dot product of two runs of memory, and a tile of sums (4 rows of y
// by 6 taps) reads each of its runs once. Where planes are small, runs are of images that lie side by side
// (conv_images.h).
//
// Images are dealt to a number of shares that follows from sizes; each has its own sums, which are added in order.
// An infinite or undefined element of x may make sums undefined whose taps do not read it: a zero of a gap meets it.
namespace fulmen::FULMEN_ISA {

namespace {

template <class S>
struct WeightSums {
  using T = Compute<S>;
  ConstView x, y;
  View w;
  int64_t images, groups, rows, channels, places;  ///< rows and channels: per group; places: of y
  Slab slab;
  int64_t block, blocks;  ///< channels of a task, and how many such blocks
  int64_t units, batch;   ///< boxes of all images; how many of them are summed before sums leave the registers
  int64_t shares;
  int64_t many = 0;  ///< images side by side, which are a unit then; 0: each by itself
  int64_t run;       ///< of one plane of y in the slab's layout
  T* sums;           ///< [shares][groups][rows][channels, taps]

  int64_t cols() const { return channels * slab.taps(); }
  int64_t y_elements() const { return rows * slab.box[0] * run + 64; }

  WeightSums(const View& gw, const ConstView& source, const ConstView& result, const ConvGeometry& g,
             const ConvWalk (&walks)[3])
      : x(source), y(result), w(gw), slab(walks) {
    constexpr int64_t most = (1 << 18) / static_cast<int64_t>(sizeof(T));  // elements of both slabs of a unit
    images = y.sizes[0];
    groups = g.groups;
    rows = y.sizes[1] / groups;
    channels = x.sizes[1] / groups;
    places = y.sizes[2] * y.sizes[3] * y.sizes[4];
    if (choose_images()) return;
    block = channels;
    slab.cut(smaller(channels, 8), most, 1);
    measure_run();
    while (rows * slab.box[0] * run > most && slab.box[0] * slab.box[1] > 1) {
      slab.cut(1, slab.elements(1) - 1, 1);
      measure_run();
    }
    while (block > 8 && slab.elements(block) > most) block = divide_up(block, 2);
    blocks = divide_up(channels, block);
    units = images * slab.boxes();
    const int64_t unit = slab.elements(block) + y_elements();
    batch = 1;
    while (batch < 16 && batch < units && (batch + 1) * unit < 2 * most) ++batch;
    const int64_t weight = groups * rows * cols(), cost = weight * images * places;
    shares = smaller(divide_up(units, batch), smaller(16, cost / parallel_work + 1));
    while (shares > 1 && shares * weight > (1 << 23)) --shares;
    if (groups * blocks >= 16) shares = 1;
  }
  bool choose_images() {
    measure_run();
    const int64_t side_by_side = 32;
    if (y.sizes[2] != 1 || places > 256 || slab.elements(channels) * side_by_side > (1 << 20)) return false;
    if (rows * places * side_by_side > (1 << 20) || !interleaves(images, side_by_side, places, run)) return false;
    many = side_by_side;
    units = divide_up(images, many);
    batch = 1;
    const int64_t cost = groups * rows * cols() * images * places, tasks = smaller(16, cost / parallel_work + 1);
    shares = smaller(units, divide_up(tasks, groups));
    while (shares > 1 && shares * groups * rows * cols() > (1 << 23)) --shares;
    blocks = smaller(divide_up(tasks, shares * groups), divide_up(channels, 16));
    block = divide_up(channels, blocks);
    blocks = divide_up(channels, block);
    return true;
  }
  void measure_run() { run = divide_up((slab.box[1] - 1) * slab.axes[2].size + slab.box[2], lanes<T>) * lanes<T>; }

  /// y's box of a unit with the slab's pitch: [rows][planes][run], zeros in the gaps.
  void fill_y(int64_t image, int64_t group, const ConvBox& box, T* to) const {
    const S* from = y.as<S>() + (image * groups + group) * rows * places;
    const int64_t pitch = slab.axes[2].size;
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t z = 0; z < slab.box[0]; ++z, to += run) {
        int64_t done = 0;
        for (int64_t v = 0; v < box.size[1] && z < box.size[0]; ++v) {
          const S* row =
              from + ((r * y.sizes[2] + box.first[0] + z) * y.sizes[3] + box.first[1] + v) * y.sizes[4] + box.first[2];
          for (int64_t i = 0; i < box.size[2]; ++i) to[v * pitch + i] = static_cast<T>(row[i]);
          done = v * pitch + box.size[2];
          for (int64_t i = done; i < smaller((v + 1) * pitch, run); ++i) to[i] = T(0);
          done = smaller((v + 1) * pitch, run);
        }
        for (int64_t i = done; i < run; ++i) to[i] = T(0);
      }
    }
    for (int64_t i = 0; i < 64; ++i) to[i] = T(0);
  }

  /// What a share adds up for a group and a block of channels.
  void task(int64_t share, int64_t group, int64_t which) const {
    const int64_t first = which * block, count = smaller(block, channels - first), taps = slab.taps();
    const int64_t x_unit = many > 0 ? ImageBlock<S, T>::slab_elements(slab, block, many) : slab.elements(block),
                  y_unit = many > 0 ? rows * places * many : y_elements();
    const int64_t scratch = many > 0 ? ImageBlock<S, T>::scratch_elements(slab, many) : 0;
    auto* slabs = static_cast<T*>(
        thread_scratch(Scratch::Panel, sizeof(T) * static_cast<size_t>((x_unit + y_unit) * batch + scratch + 2) +
                                           sizeof(int64_t) * static_cast<size_t>(count * taps + dot_cols)));
    T* ys = slabs + x_unit * batch;
    auto* offsets = reinterpret_cast<int64_t*>(slabs + ((x_unit + y_unit) * batch + scratch + 1) / 2 * 2);
    slab.fill_offsets(count, offsets);
    for (int64_t c = 0; c < count * taps && many > 0; ++c) offsets[c] *= many;
    for (int c = 0; c < dot_cols; ++c) offsets[count * taps + c] = 0;  // read by the last tile, and dropped
    T* to = sums + ((share * groups + group) * rows * channels + first) * taps;
    const int64_t begin = units * share / shares, end = units * (share + 1) / shares;
    const int64_t x_plane = x.numel / (x.sizes[0] * x.sizes[1]);
    for (int64_t u = begin; u < end && many > 0; ++u) {
      const int64_t image = u * many, here = smaller(many, images - image);
      const ImageBlock<S, T> xs{x.as<S>() + ((image * groups + group) * channels + first) * x_plane,
                                groups * channels * x_plane,
                                here,
                                many,
                                count,
                                x_plane};
      const ImageBlock<S, T> gs{
          y.as<S>() + (image * groups + group) * rows * places, groups * rows * places, here, many, rows, places};
      xs.fill(slab, ys + y_unit, slabs);
      gs.fill(ys + y_unit, ys);
      const int64_t pitch = slab.axes[2].size;
      add_tiles({y.sizes[3], y.sizes[4], many, y.sizes[4] * many, places * many, many, pitch * many, many},
                count * taps, slabs, ys, offsets, to, u == begin);
    }
    for (int64_t u = begin; u < end && many == 0; u += batch) {
      const int64_t together = smaller(batch, end - u);
      for (int64_t k = 0; k < together; ++k) {
        const int64_t image = (u + k) / slab.boxes();
        const ConvBox box = slab.box_at((u + k) % slab.boxes());
        const S* source = x.as<S>() + ((image * groups + group) * channels + first) * x_plane;
        fill_slab(slab, box.first, source, count, slabs + k * x_unit);
        fill_y(image, group, box, ys + k * y_unit);
      }
      add_tiles({together, slab.box[0], run, y_unit, slab.box[0] * run, run, x_unit, slab.plane()}, count * taps, slabs,
                ys, offsets, to, u == begin);
    }
  }
  void add_tiles(const DotLayout& layout, int64_t count, const T* slabs, const T* ys, const int64_t* offsets, T* to,
                 bool first) const {
    const int64_t tiles = divide_up(rows, dot_rows_most), height = divide_up(rows, tiles);
    for (int64_t c = 0; c < count; c += dot_cols) {
      for (int64_t r = 0; r < rows; r += height) {
        T tile[dot_rows_most * dot_cols];
        const int64_t used = smaller(height, rows - r);
        conv_dots_of<T>(used)(layout, ys + r * layout.y_row, slabs, offsets + c, tile);
        for (int64_t i = 0; i < used; ++i) {
          T* row = to + (r + i) * cols() + c;
          for (int64_t j = 0; j < smaller(dot_cols, count - c); ++j) {
            row[j] = first ? tile[i * dot_cols + j] : row[j] + tile[i * dot_cols + j];
          }
        }
      }
    }
  }

  void compute() {
    const int64_t weight = groups * rows * cols(), tasks = shares * groups * blocks;
    sums = static_cast<T*>(thread_scratch(Scratch::Result, sizeof(T) * static_cast<size_t>(shares * weight)));
    const int64_t cost = images * places * rows * block * slab.taps() / shares;
    parallel_for(tasks, divide_up(parallel_work / 2, cost + 1), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) task(t / blocks / groups, t / blocks % groups, t % blocks);
    });
    parallel_for(weight, 1 << 14, [&](int64_t begin, int64_t end) {
      S* to = w.as<S>();
      for (int64_t i = begin; i < end; ++i) {
        double total = 0;
        for (int64_t s = 0; s < shares; ++s) total += static_cast<double>(sums[s * weight + i]);
        to[i] = S(static_cast<T>(total));
      }
    });
  }
};

}  // namespace

void convolution_weight(const Launch&, const View& w, const ConstView& x, const ConstView& y, const ConvGeometry& g) {
  if (w.numel == 0) return;
  for_real(w.dtype, [&]<class S>(S*) {
    if (y.numel == 0 || x.numel == 0) {
      for (int64_t i = 0; i < w.numel; ++i) w.as<S>()[i] = S(0);
      return;
    }
    ConvWalk walks[3];
    for (int d = 0; d < 3; ++d) {
      walks[d] = forward_walk(g.axes[d], x.sizes[d + 2], w.sizes[d + 2], y.sizes[d + 2]);
    }
    WeightSums<S>(w, x, y, g, walks).compute();
  });
}

}  // namespace fulmen::FULMEN_ISA
