// base[place] += g: places that no two elements of g share are written one thread each; otherwise elements are sorted
// by place and added up in a fixed order. Float sums for Half and BFloat16. Bound by memory: g and what it meets in
// base.
#include <fulmen/kernels/compute.h>
#include <fulmen/kernels/cuda/ordered.h>
#include <fulmen/kernels/strided_add.h>

namespace fulmen::cuda {

namespace {

constexpr int threads = 256;

template <class T>
__global__ __launch_bounds__(threads) void add_apart(T* base, const T* g, gpu::Places<1> places) {
  const int64_t i = gpu::thread_index();
  if (i >= places.items) return;
  int64_t at[1];
  places.at(i, at);
  base[at[0]] = converted<T>(converted<Compute<T>>(base[at[0]]) + converted<Compute<T>>(g[i]));
}

__global__ __launch_bounds__(threads) void write_places(uint64_t* keys, gpu::Places<1> places, int64_t offset) {
  const int64_t i = gpu::thread_index();
  if (i >= places.items) return;
  int64_t at[1];
  places.at(i, at);
  keys[i] = static_cast<uint64_t>(offset + at[0]);
}

// Whether all elements have places of their own: by rising stride, each dimension steps over all that those before
// reach.
bool apart(const Layout<1>& places) {
  int64_t reach = 0;
  bool taken[max_dims] = {};
  for (int round = 0; round < places.ndim; ++round) {
    int next = -1;
    for (int d = 0; d < places.ndim; ++d) {
      if (!taken[d] && (next < 0 || places.strides[0][d] < places.strides[0][next])) next = d;
    }
    taken[next] = true;
    if (places.strides[0][next] <= reach) return false;
    reach += (places.sizes[next] - 1) * places.strides[0][next];
  }
  return true;
}

}  // namespace

void add_strided(const Launch& launch, View base, ConstView g, StridedPlaces places) {
  if (g.numel == 0) return;
  Layout<1> layout;
  layout.ndim = places.ndim;
  layout.numel = g.numel;
  for (int d = 0; d < places.ndim; ++d) {
    layout.sizes[d] = places.sizes[d];
    layout.strides[0][d] = places.strides[d];
  }
  layout.merge();
  const gpu::Places<1> where(layout);
  const unsigned blocks = gpu::blocks_for(g.numel, threads);
  if (!apart(layout)) {
    gpu::KeySort<uint64_t> order(launch, 1, g.numel);
    GPU_LAUNCH(write_places, blocks, threads, 0, launch, order.keys(), where, places.offset);
    order.run(gpu::bits_for(base.numel));
    const gpu::OrderedRows rows{gpu::rows_of(base.numel, 1), gpu::rows_of(g.numel, 1), gpu::dense_row(1), base.numel};
    return gpu::ordered_add(launch, base.dtype, base.data, g.data, order, rows, 1);
  }
  switch (base.dtype) {
#define ADD(T, N)                                                                                         \
  case ScalarType::N:                                                                                     \
    GPU_LAUNCH(add_apart<T>, blocks, threads, 0, launch, base.as<T>() + places.offset, g.as<T>(), where); \
    return;
    ADD(float, Float)
    ADD(double, Double)
    ADD(Half, Half)
    ADD(BFloat16, BFloat16)
#undef ADD
    default:
      return;
  }
}

}  // namespace fulmen::cuda
