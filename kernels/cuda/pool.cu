#include <fulmen/kernels/compute.h>
#include <fulmen/kernels/cuda/places.h>
#include <fulmen/kernels/pool.h>

// Pooling of [planes, d, h, w], contiguous; float for float16, bfloat16 and float, double for double. Forward: a thread
// per output walks through its window. Backward: a thread per element of the input goes through the windows that may
// contain it and adds what is its own, in the order of the windows, so nothing is added by two threads. Bound by
// memory, 1 read of x and 1 write of y (and 8 bytes per index): neighbouring windows find what they share in the cache.
namespace fulmen::cuda {

namespace {

constexpr int threads = 256;

struct Extents {
  int64_t in, out;
};
Extents extents_of(const PoolGeometry& g) {
  return {g.axes[0].in * g.axes[1].in * g.axes[2].in, g.axes[0].out * g.axes[1].out * g.axes[2].out};
}
unsigned blocks_of(int64_t n) { return gpu::blocks_for(n, threads, 1 << 20); }

/// (plane, z, y, x) of an element of [planes, sizes].
struct Position {
  int64_t plane, z, y, x;
};
GPU_INLINE Position position_of(int64_t e, int64_t depth, int64_t height, int64_t width) {
  if (e <= INT32_MAX) {  // 32-bit divisions are several times as fast
    auto rest = static_cast<uint32_t>(e);
    const auto w = static_cast<uint32_t>(width), h = static_cast<uint32_t>(height), d = static_cast<uint32_t>(depth);
    const uint32_t x = rest % w, y = rest / w % h, z = rest / w / h % d;
    return {rest / w / h / d, z, y, x};
  }
  return {e / width / height / depth, e / width / height % depth, e / width % height, e % width};
}

/// Calls f(place in the plane) for all elements of the window of an output.
template <class F>
GPU_INLINE void for_window(const PoolGeometry& g, const Position& o, const F& f) {
  const PoolAxis(&a)[3] = g.axes;
  for (int64_t i = a[0].begin(o.z); i < a[0].end(o.z); i += a[0].step()) {
    for (int64_t j = a[1].begin(o.y); j < a[1].end(o.y); j += a[1].step()) {
      for (int64_t k = a[2].begin(o.x); k < a[2].end(o.x); k += a[2].step()) f((i * a[1].in + j) * a[2].in + k);
    }
  }
}
/// Calls f(z, y, x) for all outputs whose window contains an element.
template <class F>
GPU_INLINE void for_outputs(const PoolGeometry& g, const Position& i, const F& f) {
  const PoolAxis(&a)[3] = g.axes;
  for (int64_t z = a[0].first_output(i.z); z <= a[0].last_output(i.z); ++z) {
    if (!a[0].contains(z, i.z)) continue;
    for (int64_t y = a[1].first_output(i.y); y <= a[1].last_output(i.y); ++y) {
      if (!a[1].contains(y, i.y)) continue;
      for (int64_t x = a[2].first_output(i.x); x <= a[2].last_output(i.x); ++x) {
        if (a[2].contains(x, i.x)) f(z, y, x);
      }
    }
  }
}

template <class S, class T>
__global__ void __launch_bounds__(threads)
    max_of_windows(S* y, int64_t* indices, const S* x, const PoolGeometry g, int64_t plane, int64_t total) {
  const PoolAxis(&a)[3] = g.axes;
  for (int64_t e = gpu::thread_index(); e < total; e += gpu::thread_count()) {
    const Position o = position_of(e, a[0].out, a[1].out, a[2].out);
    const S* from = x + o.plane * plane;
    T best = gpu::lowest<T>;
    int64_t place = (a[0].begin(o.z) * a[1].in + a[1].begin(o.y)) * a[2].in + a[2].begin(o.x);
    for_window(g, o, [&](int64_t at) {
      const T value = static_cast<T>(from[at]);
      if (value > best || value != value) best = value, place = at;
    });
    y[e] = static_cast<S>(best);
    indices[e] = place;
  }
}

template <class S, class T>
__global__ void __launch_bounds__(threads)
    max_gradient(S* gx, const S* gy, const int64_t* indices, const PoolGeometry g, int64_t out, int64_t total) {
  const PoolAxis(&a)[3] = g.axes;
  for (int64_t e = gpu::thread_index(); e < total; e += gpu::thread_count()) {
    const Position i = position_of(e, a[0].in, a[1].in, a[2].in);
    const int64_t place = (i.z * a[1].in + i.y) * a[2].in + i.x;
    T sum = 0;
    for_outputs(g, i, [&](int64_t z, int64_t y, int64_t x) {
      const int64_t o = i.plane * out + (z * a[1].out + y) * a[2].out + x;
      if (indices[o] == place) sum += static_cast<T>(gy[o]);
    });
    gx[e] = static_cast<S>(sum);
  }
}

template <class S, class T>
__global__ void __launch_bounds__(threads)
    mean_of_windows(S* y, const S* x, const PoolGeometry g, PoolDivisor divisor, int64_t plane, int64_t total) {
  const PoolAxis(&a)[3] = g.axes;
  for (int64_t e = gpu::thread_index(); e < total; e += gpu::thread_count()) {
    const Position o = position_of(e, a[0].out, a[1].out, a[2].out);
    const S* from = x + o.plane * plane;
    T sum = 0;
    for_window(g, o, [&](int64_t at) { sum += static_cast<T>(from[at]); });
    y[e] = static_cast<S>(sum / static_cast<T>(pool_divisor(g, divisor, o.z, o.y, o.x)));
  }
}

template <class S, class T>
__global__ void __launch_bounds__(threads)
    mean_gradient(S* gx, const S* gy, const PoolGeometry g, PoolDivisor divisor, int64_t out, int64_t total) {
  const PoolAxis(&a)[3] = g.axes;
  for (int64_t e = gpu::thread_index(); e < total; e += gpu::thread_count()) {
    const Position i = position_of(e, a[0].in, a[1].in, a[2].in);
    T sum = 0;
    for_outputs(g, i, [&](int64_t z, int64_t y, int64_t x) {
      const S from = gy[i.plane * out + (z * a[1].out + y) * a[2].out + x];
      sum += static_cast<T>(from) / static_cast<T>(pool_divisor(g, divisor, z, y, x));
    });
    gx[e] = static_cast<S>(sum);
  }
}

}  // namespace

void max_pool(const Launch& launch, const View& y, const View& indices, const ConstView& x, const PoolGeometry& g) {
  if (y.numel == 0) return;
  for_real(y.dtype, [&]<class S>(S*) {
    GPU_LAUNCH((max_of_windows<S, Compute<S>>), blocks_of(y.numel), threads, 0, launch, y.as<S>(),
               indices.as<int64_t>(), x.as<S>(), g, extents_of(g).in, y.numel);
  });
}

void max_pool_backward(const Launch& launch, const View& gx, const ConstView& gy, const ConstView& indices,
                       const PoolGeometry& g) {
  if (gx.numel == 0) return;
  for_real(gx.dtype, [&]<class S>(S*) {
    GPU_LAUNCH((max_gradient<S, Compute<S>>), blocks_of(gx.numel), threads, 0, launch, gx.as<S>(), gy.as<S>(),
               indices.as<int64_t>(), g, extents_of(g).out, gx.numel);
  });
}

void avg_pool(const Launch& launch, const View& y, const ConstView& x, const PoolGeometry& g, PoolDivisor divisor) {
  if (y.numel == 0) return;
  for_real(y.dtype, [&]<class S>(S*) {
    GPU_LAUNCH((mean_of_windows<S, Compute<S>>), blocks_of(y.numel), threads, 0, launch, y.as<S>(), x.as<S>(), g,
               divisor, extents_of(g).in, y.numel);
  });
}

void avg_pool_backward(const Launch& launch, const View& gx, const ConstView& gy, const PoolGeometry& g,
                       PoolDivisor divisor) {
  if (gx.numel == 0) return;
  for_real(gx.dtype, [&]<class S>(S*) {
    GPU_LAUNCH((mean_gradient<S, Compute<S>>), blocks_of(gx.numel), threads, 0, launch, gx.as<S>(), gy.as<S>(), g,
               divisor, extents_of(g).out, gx.numel);
  });
}

}  // namespace fulmen::cuda
