#include <fulmen/kernels/cuda/math.h>
#include <fulmen/kernels/cuda/rows.h>
#include <fulmen/kernels/cuda/sum.h>
#include <fulmen/kernels/loss.h>

// Losses of predictions against targets, element by element: 16 bytes of each array per thread and step, in float32
// (float64 for double). The sum over n elements: partial sums by at most 1024 blocks, a number that depends on n only,
// which one more block adds in float64. Memory is read once.
namespace fulmen::cuda {

namespace {

constexpr int threads = 256;

template <class T>
GPU_INLINE T limited_log(T x) {
  T v = math::log(x);
  return v < T(-100) ? T(-100) : v;
}
template <class T>
GPU_INLINE T loss_of(LossKind kind, T x, T t, T p) {
  T d = math::fabs(x - t), half = T(0.5);
  switch (kind) {
    case LossKind::Square:
      return d * d;
    case LossKind::Absolute:
      return d;
    case LossKind::SmoothAbsolute:
      return d < p ? half * d * d / p : d - half * p;
    case LossKind::Huber:
      return d <= p ? half * d * d : p * (d - half * p);
    case LossKind::Logistic:
      return (x > 0 ? x : T(0)) - x * t + math::log1p(math::exp(-math::fabs(x)));
    default:
      return (t - 1) * limited_log(1 - x) - t * limited_log(x);
  }
}
template <class T>
GPU_INLINE T slope_of(LossKind kind, T x, T t, T p) {
  T d = x - t, clipped = d > p ? p : d < -p ? -p : d;
  switch (kind) {
    case LossKind::Square:
      return 2 * d;
    case LossKind::Absolute:
      return x > t ? T(1) : x < t ? T(-1) : d * 0;
    case LossKind::SmoothAbsolute:
      return clipped / p;
    case LossKind::Huber:
      return clipped;
    case LossKind::Logistic:
      return math::sigmoid(x) - t;
    default: {
      T variance = x * (1 - x);
      return d / (variance < T(1e-12) ? T(1e-12) : variance);
    }
  }
}

/// Calls f<V>(first element) for this thread's share of n elements: vectors, then what is left.
template <class S, class F>
GPU_INLINE void for_elements(int64_t n, bool aligned, const F& f) {
  constexpr int width = gpu::vec_width<S>;
  int64_t whole = aligned ? n / width * width : 0;
  for (int64_t i = gpu::thread_index() * width; i < whole; i += gpu::thread_count() * width) {
    f(std::integral_constant<int, width>(), i);
  }
  for (int64_t i = whole + gpu::thread_index(); i < n; i += gpu::thread_count()) {
    f(std::integral_constant<int, 1>(), i);
  }
}

template <class S>
__global__ void __launch_bounds__(threads)
    losses(S* y, const S* x, const S* t, int64_t n, bool aligned, LossParams params) {
  using T = Compute<S>;
  T p = static_cast<T>(params.p);
  for_elements<S>(n, aligned, [&](auto width, int64_t i) {
    constexpr int V = decltype(width)::value;
    auto a = gpu::load_vec<V>(x + i), b = gpu::load_vec<V>(t + i);
    for (int v = 0; v < V; ++v)
      a[v] = static_cast<S>(loss_of(params.kind, static_cast<T>(a[v]), static_cast<T>(b[v]), p));
    gpu::store_vec(y + i, a);
  });
}

template <class S>
__global__ void __launch_bounds__(threads)
    sum_losses(double* parts, const S* x, const S* t, int64_t n, bool aligned, LossParams params) {
  using T = Compute<S>;
  T p = static_cast<T>(params.p);
  double sum = 0;
  for_elements<S>(n, aligned, [&](auto width, int64_t i) {
    constexpr int V = decltype(width)::value;
    auto a = gpu::load_vec<V>(x + i), b = gpu::load_vec<V>(t + i);
    T some = 0;
    for (int v = 0; v < V; ++v) some += loss_of(params.kind, static_cast<T>(a[v]), static_cast<T>(b[v]), p);
    sum += static_cast<double>(some);
  });
  sum = gpu::block_sum(sum);
  if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

/// gx = gy * scale * slope; gy is one number or one per element.
template <class S>
__global__ void __launch_bounds__(threads, 4)
    slopes(S* gx, const S* x, const S* t, const S* gy, int64_t n, bool aligned, LossParams params) {
  using T = Compute<S>;
  T p = static_cast<T>(params.p), factor = static_cast<T>(params.scale);
  if (params.reduce) factor = static_cast<T>(static_cast<double>(static_cast<T>(*gy)) * params.scale);
  for_elements<S>(n, aligned, [&](auto width, int64_t i) {
    constexpr int V = decltype(width)::value;
    auto a = gpu::load_vec<V>(x + i), b = gpu::load_vec<V>(t + i);
    gpu::Vec<S, V> g{};
    if (!params.reduce) g = gpu::load_vec<V>(gy + i);
    for (int v = 0; v < V; ++v) {
      T slope = slope_of(params.kind, static_cast<T>(a[v]), static_cast<T>(b[v]), p) * factor;
      a[v] = static_cast<S>(params.reduce ? slope : slope * static_cast<T>(g[v]));
    }
    gpu::store_vec(gx + i, a);
  });
}

template <class S>
unsigned element_blocks(int64_t n) {
  return gpu::blocks_for(n, threads * gpu::vec_width<S>);
}
template <class S, class... P>
bool all_aligned(const P*... arrays) {
  return (... && gpu::aligned_for<gpu::vec_width<S>>(static_cast<const S*>(arrays)));
}

}  // namespace

void pointwise_loss(const Launch& launch, const View& y, const ConstView& x, const ConstView& t, LossParams params) {
  for_real(x.dtype, [&]<class S>(S*) {
    if (params.reduce) {
      bool aligned = all_aligned<S>(x.data, t.data);
      unsigned blocks = gpu::blocks_for(x.numel, threads * 16, 1024);
      Workspace parts(launch, sizeof(double) * blocks);
      GPU_LAUNCH(sum_losses<S>, blocks, threads, 0, launch, parts.as<double>(), x.as<S>(), t.as<S>(), x.numel, aligned,
                 params);
      gpu::Scale scale{params.scale, nullptr};
      GPU_LAUNCH((gpu::finish_sum<S, double>), 1, gpu::sum_threads, 0, launch, y.as<S>(), parts.as<const double>(),
                 blocks, scale);
    } else if (x.numel > 0) {
      bool aligned = all_aligned<S>(y.data, x.data, t.data);
      GPU_LAUNCH(losses<S>, element_blocks<S>(x.numel), threads, 0, launch, y.as<S>(), x.as<S>(), t.as<S>(), x.numel,
                 aligned, params);
    }
  });
}

void pointwise_loss_backward(const Launch& launch, const View& gx, const ConstView& x, const ConstView& t,
                             const ConstView& gy, LossParams params) {
  if (x.numel == 0) return;
  for_real(x.dtype, [&]<class S>(S*) {
    bool aligned = all_aligned<S>(gx.data, x.data, t.data) && (params.reduce || all_aligned<S>(gy.data));
    GPU_LAUNCH(slopes<S>, element_blocks<S>(x.numel), threads, 0, launch, gx.as<S>(), x.as<S>(), t.as<S>(), gy.as<S>(),
               x.numel, aligned, params);
  });
}

}  // namespace fulmen::cuda
