#include <fulmen/kernels/compute.h>
#include <fulmen/kernels/conv.h>
#include <fulmen/kernels/cuda/conv_cudnn.h>
#include <fulmen/kernels/cuda/conv_problem.h>
#include <fulmen/kernels/gemm_settings.h>

// Convolutions on the device. Sums are float for float16, bfloat16 and float, double for double; all operands
// contiguous. A convolution is a product of matrices per group, (outputs x channels and taps) times (channels and taps
// x places of all images); the second one is gathered tile by tile where the source lies (conv_simt.cu, conv_mma.cu).
// A transposed convolution is one such product per phase of its stride (kernels/conv_axes.h), so none of its
// multiplications is by an inserted zero. The gradient for the weight is a product along the places; its depth is
// shared among blocks, whose parts are added in order. Every run gives the same bits.
//
// Groups of a few outputs (depthwise convolutions) would leave most of a tile empty: there a thread computes one
// result, and a block one element of the weight's gradient; bound by memory, or by the cache. FULMEN_CONV=cudnn has
// cuDNN compute what it can (conv_cudnn.cu).
namespace fulmen::cuda {

namespace {

constexpr int threads = 256;
constexpr int64_t few_rows = 4;
/// The weight as the product wants it: rows begin where 16 bytes do.
constexpr int64_t row_unit = 8;

/// How the weight lies in memory: strides of groups, rows of the product and channels, and the taps of a walk.
struct WeightOrder {
  int64_t group, row, channel;
  int64_t kernel[3], step[3], first[3], taps[3];
  int64_t rows, depth;

  GPU_INLINE int64_t offset(int64_t g, int64_t r, int64_t at) const {
    const int64_t k = at % taps[2], j = at / taps[2] % taps[1], i = at / (taps[2] * taps[1]) % taps[0],
                  c = at / (taps[2] * taps[1] * taps[0]);
    return g * group + r * row + c * channel +
           ((i * step[0] + first[0]) * kernel[1] + j * step[1] + first[1]) * kernel[2] + k * step[2] + first[2];
  }
};

/// to[group][row][depth, padded with zeros]
template <class S>
__global__ void __launch_bounds__(threads)
    pack_weight(S* to, const S* w, const WeightOrder order, int64_t padded, int64_t total) {
  for (int64_t e = gpu::thread_index(); e < total; e += gpu::thread_count()) {
    const int64_t at = e % padded, row = e / padded % order.rows, group = e / (padded * order.rows);
    to[e] = at < order.depth ? w[order.offset(group, row, at)] : S(0.0f);
  }
}

/// A thread per result; the channels and taps in order.
template <class S, class T>
__global__ void __launch_bounds__(threads)
    conv_direct(const ConvSource s, const S* w, const WeightOrder order, int64_t groups, int64_t places) {
  const int64_t total = groups * order.rows * places;
  for (int64_t e = gpu::thread_index(); e < total; e += gpu::thread_count()) {
    const int64_t number = e % places, channel = e / places, group = channel / order.rows;
    const ConvPlace place = s.place(number);
    const S* base = s.group_base<S>(group);
    T sum = s.bias ? static_cast<T>(static_cast<const S*>(s.bias)[channel]) : T(0);
    for (int at = 0; at < s.depth; ++at) {
      sum += static_cast<T>(s.read(base, place, s.tap(at))) *
             static_cast<T>(w[order.offset(group, channel % order.rows, at)]);
    }
    static_cast<S*>(s.result)[channel * s.result_plane + s.result_offset(place)] = static_cast<S>(sum);
  }
}

/// A block per element of the weight [groups * rows][depth].
template <class S, class T>
__global__ void __launch_bounds__(threads)
    conv_weight_direct(const ConvSource s, const S* y, S* w, int64_t rows, int64_t places, bool add) {
  const int64_t channel = blockIdx.x / static_cast<unsigned>(s.depth);
  const ConvTap tap = s.tap(static_cast<int>(blockIdx.x % static_cast<unsigned>(s.depth)));
  const S* base = s.group_base<S>(channel / rows);
  T sum = 0;
  for (int64_t number = threadIdx.x; number < places; number += threads) {
    const ConvPlace place = s.place(number);
    sum +=
        static_cast<T>(s.read(base, place, tap)) * static_cast<T>(y[channel * s.result_plane + s.result_offset(place)]);
  }
  sum = gpu::block_sum(sum);
  if (threadIdx.x == 0) w[blockIdx.x] = static_cast<S>(sum + (add ? static_cast<T>(w[blockIdx.x]) : T(0)));
}

/// Images of which all places together can be counted in 31 bits.
int64_t images_at_once(int64_t places) {
  const int64_t most = (gpu::small_limit - 1) / (places < 1 ? 1 : places);
  return most < 1 ? 1 : most;
}

void run_product(const Launch& launch, const GemmProblem& p, const ConvSource& s, bool weight, ScalarType dtype) {
  const bool units = dtype == ScalarType::Half || dtype == ScalarType::BFloat16 ||
                     (dtype == ScalarType::Float && gemm_settings().allow_tf32);
  if (units) return conv_on_matrix_units(launch, p, s, weight, dtype);
  if (dtype == ScalarType::Double) return conv_of_doubles(launch, p, s, weight);
  conv_of_floats(launch, p, s, weight);
}

/// All results of one walk, `channels` of the source and `order.rows` of the result per group.
template <class S>
void run_walk(const Launch& launch, const ConvWalk (&walks)[3], const View& result, const ConstView& source,
              const ConstView& w, const ConstView& bias, WeightOrder order, int64_t groups, int64_t channels) {
  ConvSource s = conv_source(walks, source.data, groups, channels);
  int64_t places = 1;
  s.result_plane = 1;
  for (int d = 0; d < 3; ++d) {
    places *= walks[d].outputs;
    s.result_size[d] = static_cast<int>(result.sizes[d + 2]);
    s.result_plane *= result.sizes[d + 2];
    order.kernel[d] = w.sizes[d + 2];
    order.step[d] = walks[d].kernel_step;
    order.first[d] = walks[d].kernel_first;
    order.taps[d] = walks[d].taps < 1 ? 1 : walks[d].taps;
  }
  if (places == 0) return;
  s.result_image = groups * order.rows * s.result_plane;
  s.bias = bias.data;
  order.depth = s.depth;
  const bool direct = order.rows <= few_rows || s.depth == 0;
  GemmProblem p{};
  p.rows = order.rows, p.batches = groups, p.depth = (s.depth + row_unit - 1) / row_unit * row_unit;
  p.a_strides.row = p.depth, p.a_strides.col = 1;
  p.batch_dims = 1, p.batch_sizes[0] = groups, p.a_strides.batch[0] = p.rows * p.depth;
  const int64_t packed = groups * p.rows * p.depth;
  const Workspace weights(launch, direct ? 0 : static_cast<size_t>(packed) * sizeof(S));
  if (!direct) {
    GPU_LAUNCH(pack_weight<S>, gpu::blocks_for(packed, threads, 4096), threads, 0, launch, weights.as<S>(), w.as<S>(),
               order, p.depth, packed);
    p.a = weights.data();
  }
  const int64_t most = images_at_once(places), images = result.sizes[0];
  for (int64_t n = 0; n < images; n += most) {
    const int64_t count = images - n < most ? images - n : most;
    s.data = source.as<S>() + n * s.image;
    s.result = result.as<S>() + n * s.result_image;
    if (direct) {
      GPU_LAUNCH((conv_direct<S, Compute<S>>), gpu::blocks_for(groups * order.rows * places * count, threads, 1 << 16),
                 threads, 0, launch, s, w.as<S>(), order, groups, places * count);
    } else {
      p.cols = places * count;
      run_product(launch, p, s, false, result.dtype);
    }
  }
}

}  // namespace

void convolution(const Launch& launch, const View& y, const ConstView& x, const ConstView& w, const ConstView& bias,
                 const ConvGeometry& g) {
  if (y.numel == 0 || computed_by_cudnn(launch, ConvDirection::forward, x, y, w, bias.data, g)) return;
  ConvWalk walks[3];
  for (int d = 0; d < 3; ++d) {
    walks[d] = forward_walk(g.axes[d], x.sizes[d + 2], w.sizes[d + 2], y.sizes[d + 2]);
  }
  const int64_t kernel = w.sizes[2] * w.sizes[3] * w.sizes[4];
  WeightOrder order{};
  order.group = w.numel / g.groups, order.row = w.sizes[1] * kernel, order.channel = kernel;
  order.rows = y.sizes[1] / g.groups;
  for_real(y.dtype,
           [&]<class S>(S*) { run_walk<S>(launch, walks, y, x, w, bias, order, g.groups, x.sizes[1] / g.groups); });
}

void convolution_transposed(const Launch& launch, const View& x, const ConstView& y, const ConstView& w,
                            const ConstView& bias, const ConvGeometry& g) {
  if (x.numel == 0 || computed_by_cudnn(launch, ConvDirection::to_input, x, y, w, bias.data, g)) return;
  const int64_t kernel = w.sizes[2] * w.sizes[3] * w.sizes[4];
  WeightOrder order{};
  order.group = w.numel / g.groups, order.row = kernel, order.channel = w.sizes[1] * kernel;
  order.rows = x.sizes[1] / g.groups;
  const ConvAxis(&a)[3] = g.axes;
  for (int64_t phase = 0; phase < a[0].stride * a[1].stride * a[2].stride; ++phase) {
    const int64_t phases[3] = {phase / a[2].stride / a[1].stride, phase / a[2].stride % a[1].stride,
                               phase % a[2].stride};
    ConvWalk walks[3];
    for (int d = 0; d < 3; ++d) {
      walks[d] = transposed_walk(a[d], x.sizes[d + 2], w.sizes[d + 2], y.sizes[d + 2], phases[d]);
    }
    for_real(x.dtype,
             [&]<class S>(S*) { run_walk<S>(launch, walks, x, y, w, bias, order, g.groups, y.sizes[1] / g.groups); });
  }
}

void convolution_weight(const Launch& launch, const View& w, const ConstView& x, const ConstView& y,
                        const ConvGeometry& g) {
  if (w.numel == 0 || computed_by_cudnn(launch, ConvDirection::to_weight, x, y, w, nullptr, g)) return;
  if (x.numel == 0 || y.numel == 0) {
    // What fails is CUDA's last error, which CudaCall::finish() throws.
    static_cast<void>(
        cudaMemsetAsync(w.data, 0, static_cast<size_t>(w.numel) * element_size(w.dtype), gpu::stream_of(launch)));
    return;
  }
  ConvWalk walks[3];
  for (int d = 0; d < 3; ++d) {
    walks[d] = forward_walk(g.axes[d], x.sizes[d + 2], w.sizes[d + 2], y.sizes[d + 2]);
  }
  const int64_t places = y.sizes[2] * y.sizes[3] * y.sizes[4], rows = y.sizes[1] / g.groups;
  const int64_t most = images_at_once(places), images = y.sizes[0];
  for_real(w.dtype, [&]<class S>(S*) {
    ConvSource s = conv_source(walks, x.data, g.groups, x.sizes[1] / g.groups);
    s.result_plane = places, s.result_image = y.sizes[1] * places;
    for (int d = 0; d < 3; ++d) s.result_size[d] = static_cast<int>(y.sizes[d + 2]);
    for (int64_t n = 0; n < images; n += most) {
      const int64_t count = images - n < most ? images - n : most;
      s.data = x.as<S>() + n * s.image;
      const S* results = y.as<S>() + n * s.result_image;
      if (rows <= few_rows) {
        GPU_LAUNCH((conv_weight_direct<S, Compute<S>>), static_cast<unsigned>(w.numel), threads, 0, launch, s, results,
                   w.as<S>(), rows, places * count, n > 0);
        continue;
      }
      GemmProblem p{};
      p.rows = rows, p.cols = s.depth, p.depth = places * count, p.batches = g.groups;
      p.a = results, p.c = w.data, p.alpha = 1, p.beta = 1;
      p.batch_dims = 1, p.batch_sizes[0] = g.groups;
      if (n > 0) {  // to what the images before gave
        p.add = w.data;
        p.add_strides.row = p.cols, p.add_strides.col = 1, p.add_strides.batch[0] = p.rows * p.cols;
      }
      run_product(launch, p, s, true, w.dtype);
    }
  });
}

}  // namespace fulmen::cuda
