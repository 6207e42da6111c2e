#include <fulmen/kernels/cuda/math.h>
#include <fulmen/kernels/cuda/rows.h>
#include <fulmen/kernels/norm.h>

// Batch norm of [n, channels, inner], contiguous, float32 or float64, computed in the same type with sums in float64. A
// channel's n * inner numbers are shared among the blocks of a fixed number of pieces; their sums are added by a second
// kernel. Forward: mean first, then the squared deviations from it, then y: x is read three times and nothing cancels.
// Backward: the two sums of a channel in one read of x and gy, then gx.
namespace fulmen::cuda {

namespace {

constexpr int threads = 256;

/// x[i, c, k], and how the channels are shared among blocks: neighbouring threads have neighbouring channels if these
/// lie next to each other (inner == 1), else neighbouring numbers of one channel.
struct Extent {
  int64_t n, channels, inner;
  int side;                ///< channels of a block, a power of two
  int64_t pieces, length;  ///< blocks that share a channel's numbers, and numbers of each
  int64_t count() const { return n * inner; }
  unsigned blocks() const { return gpu::blocks_for((channels + side - 1) / side * pieces, 1); }
};
Extent extent_of(const ConstView& x) {
  constexpr int64_t most_blocks = 1024, least = 1024;
  Extent e{x.sizes[0], x.sizes[1], x.sizes[2], 1, 1, 0};
  if (e.inner == 1) e.side = gpu::power_of_two(e.channels, 32);
  int64_t groups = (e.channels + e.side - 1) / e.side, pieces = groups > 0 ? most_blocks / groups : 1;
  if (pieces > e.count() * e.side / least) pieces = e.count() * e.side / least;
  e.pieces = pieces < 1 ? 1 : pieces;
  e.length = (e.count() + e.pieces - 1) / e.pieces;
  return e;
}

/// Sums are float64: the mean of equal numbers is that number.
struct Pair {
  double a, b;
};
struct AddPairs {
  GPU_INLINE Pair operator()(Pair x, Pair y) const { return {x.a + y.a, x.b + y.b}; }
};
/// The sum over the block's threads of the same channel (thread % side), for the first `side` threads.
GPU_INLINE Pair sum_of_channel(Pair value, int side) {
  __shared__ Pair values[threads];
  if (side == 1) return gpu::block_reduce(value, AddPairs{}, Pair{});
  int thread = static_cast<int>(threadIdx.x);
  values[thread] = value;
  for (int half = threads / 2; half >= side; half /= 2) {
    __syncthreads();
    if (thread < half) values[thread] = AddPairs{}(values[thread], values[thread + half]);
  }
  __syncthreads();
  return values[thread];
}

/// What is summed: x; (x - mean)^2; gy, and gy times the normalized x.
enum class Sums { Values, Deviations, Gradients };

/// 1 / sqrt(var + eps)
template <class T>
GPU_INLINE T rstd_of(T var, double eps) {
  return static_cast<T>(1 / math::sqrt(static_cast<double>(var) + eps));
}

/// parts[piece, channel] = the sums of the piece. stats is [2, channels]: mean and variance.
template <class T, Sums sums>
__global__ void __launch_bounds__(threads)
    channel_sums(Pair* parts, const T* x, const T* gy, const T* stats, Extent e, double eps) {
  int thread = static_cast<int>(threadIdx.x), lanes = threads / e.side, lane = thread / e.side;
  int64_t group = blockIdx.x / e.pieces, piece = blockIdx.x % e.pieces, c = group * e.side + thread % e.side;
  Pair total{};
  if (c < e.channels) {
    T mean = sums == Sums::Values ? T(0) : stats[c];
    T rstd = sums == Sums::Gradients ? rstd_of(stats[e.channels + c], eps) : T(0);
    int64_t begin = piece * e.length + lane,
            end = (piece + 1) * e.length < e.n * e.inner ? (piece + 1) * e.length : e.n * e.inner;
    // Number t of the channel is x[i, c, k], t = i * inner + k; both are moved on without a division.
    int64_t i = begin / e.inner, k = begin % e.inner, step_i = lanes / e.inner, step_k = lanes % e.inner;
    for (int64_t t = begin; t < end; t += lanes) {
      int64_t at = (i * e.channels + c) * e.inner + k;
      if constexpr (sums == Sums::Values) {
        total.a += static_cast<double>(x[at]);
      } else if constexpr (sums == Sums::Deviations) {
        T d = x[at] - mean;
        total.a += static_cast<double>(d * d);
      } else {
        T g = gy[at];
        total.a += static_cast<double>(g);
        total.b += static_cast<double>(g * ((x[at] - mean) * rstd));
      }
      i += step_i;
      k += step_k;
      if (k >= e.inner) k -= e.inner, ++i;
    }
  }
  total = sum_of_channel(total, e.side);
  if (thread < e.side && c < e.channels) parts[piece * e.channels + c] = total;
}

/// What becomes of the sums of a channel.
template <class T>
struct Finish {
  T *mean, *gw, *gb;  ///< mean (or variance): a / count. gw and gb: b and a. Null where it is not wanted
  Pair* totals;       ///< a / count and b / count, or null
  double count;
};
/// One warp per channel.
template <class T>
__global__ void __launch_bounds__(threads) finish_sums(Finish<T> to, const Pair* parts, Extent e) {
  int64_t c = static_cast<int64_t>(blockIdx.x) * (threads / gpu::warp_size) + gpu::warp_index();
  Pair sum{};
  for (int64_t p = gpu::lane_index(); c < e.channels && p < e.pieces; p += gpu::warp_size) {
    sum = AddPairs{}(sum, parts[p * e.channels + c]);
  }
  sum = gpu::warp_reduce(sum, AddPairs{});
  if (c >= e.channels || gpu::lane_index() > 0) return;
  if (to.mean) to.mean[c] = static_cast<T>(sum.a / to.count);
  if (to.gw) to.gw[c] = static_cast<T>(sum.b);
  if (to.gb) to.gb[c] = static_cast<T>(sum.a);
  if (to.totals) to.totals[c] = {sum.a / to.count, sum.b / to.count};
}

/// The channel of an element: position / inner % channels.
GPU_INLINE int64_t channel_of(int64_t position, const Extent& e) {
  if (position <= INT32_MAX) {
    auto p = static_cast<uint32_t>(position);
    return (e.inner == 1 ? p : p / static_cast<uint32_t>(e.inner)) % static_cast<uint32_t>(e.channels);
  }
  return position / e.inner % e.channels;
}

template <class T>
__global__ void __launch_bounds__(threads)
    normalize(T* y, const T* x, const T* stats, const T* weight, const T* bias, Extent e, int64_t numel, double eps) {
  for (int64_t at = gpu::thread_index(); at < numel; at += gpu::thread_count()) {
    int64_t c = channel_of(at, e);
    T factor = rstd_of(stats[e.channels + c], eps) * (weight ? weight[c] : T(1));
    y[at] = (x[at] - stats[c]) * factor + (bias ? bias[c] : T(0));
  }
}

/// means: of gy and of gy n per channel; null if the statistics do not depend on x.
template <class T>
__global__ void __launch_bounds__(threads)
    normalize_backward(T* gx, const T* x, const T* gy, const T* stats, const T* weight, const Pair* means, Extent e,
                       int64_t numel, double eps) {
  for (int64_t at = gpu::thread_index(); at < numel; at += gpu::thread_count()) {
    int64_t c = channel_of(at, e);
    T rstd = rstd_of(stats[e.channels + c], eps), slope = gy[at];
    if (means) slope -= static_cast<T>(means[c].a) + (x[at] - stats[c]) * rstd * static_cast<T>(means[c].b);
    gx[at] = (weight ? weight[c] : T(1)) * rstd * slope;
  }
}

template <class F>
void for_float(ScalarType dtype, const F& f) {
  if (dtype == ScalarType::Float) return f(static_cast<float*>(nullptr));
  if (dtype == ScalarType::Double) return f(static_cast<double*>(nullptr));
}
constexpr int64_t per_block = threads * 4;

/// Sums of all channels; `to` says what becomes of them.
template <Sums sums, class T>
void sum_channels(const Launch& launch, const T* x, const T* gy, const T* stats, const Extent& e, double eps,
                  const Finish<T>& to) {
  Workspace parts(launch, sizeof(Pair) * static_cast<size_t>(e.pieces * e.channels));
  GPU_LAUNCH((channel_sums<T, sums>), e.blocks(), threads, 0, launch, parts.as<Pair>(), x, gy, stats, e, eps);
  GPU_LAUNCH(finish_sums<T>, gpu::blocks_for(e.channels, threads / gpu::warp_size), threads, 0, launch, to,
             parts.as<const Pair>(), e);
}

}  // namespace

void batch_norm(const Launch& launch, const View& y, const View& stats, const ConstView& x, const ConstView& weight,
                const ConstView& bias, const ConstView& mean, const ConstView& var, double eps) {
  Extent e = extent_of(x);
  if (e.channels == 0) return;
  for_float(x.dtype, [&]<class T>(T*) {
    T *means = stats.as<T>(), *variances = means + e.channels;
    if (mean.data) {
      const size_t bytes = sizeof(T) * static_cast<size_t>(e.channels);
      for (auto [to, from] : {std::pair<T*, const void*>{means, mean.data}, {variances, var.data}}) {
        // What fails is CUDA's last error, which CudaCall::finish() throws.
        if (cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, gpu::stream_of(launch)) != cudaSuccess) return;
      }
    } else {
      auto count = static_cast<double>(e.count());
      Finish<T> to{means, nullptr, nullptr, nullptr, count};
      sum_channels<Sums::Values, T>(launch, x.as<T>(), nullptr, nullptr, e, eps, to);
      to.mean = variances;
      sum_channels<Sums::Deviations, T>(launch, x.as<T>(), nullptr, means, e, eps, to);
    }
    if (x.numel == 0) return;
    GPU_LAUNCH(normalize<T>, gpu::blocks_for(x.numel, per_block), threads, 0, launch, y.as<T>(), x.as<T>(), means,
               weight.as<T>(), bias.as<T>(), e, x.numel, eps);
  });
}

void batch_norm_backward(const Launch& launch, const View& gx, const View& gw, const View& gb, const ConstView& x,
                         const ConstView& stats, const ConstView& weight, const ConstView& gy, double eps,
                         bool constant) {
  Extent e = extent_of(x);
  if (e.channels == 0) return;
  for_float(x.dtype, [&]<class T>(T*) {
    bool moves = gx.data && !constant;
    Workspace means(launch, moves ? sizeof(Pair) * static_cast<size_t>(e.channels) : 0);
    if (moves || gw.data || gb.data) {
      Finish<T> to{nullptr, gw.as<T>(), gb.as<T>(), means.as<Pair>(), static_cast<double>(e.count())};
      sum_channels<Sums::Gradients, T>(launch, x.as<T>(), gy.as<T>(), stats.as<T>(), e, eps, to);
    }
    if (!gx.data || x.numel == 0) return;
    GPU_LAUNCH(normalize_backward<T>, gpu::blocks_for(x.numel, per_block), threads, 0, launch, gx.as<T>(), x.as<T>(),
               gy.as<T>(), stats.as<T>(), weight.as<T>(), means.as<const Pair>(), e, x.numel, eps);
  });
}

}  // namespace fulmen::cuda
