// gather: one thread per element, or per 16 bytes where the dimensions behind `dim` are dense under one index; bound by
// memory. scatter_add: elements that may meet differ along `dim` only, so one thread adds up one line in order; where
// lines are few and long, elements are sorted by place and added up in a fixed order. nonzero: numbers of true elements
// per tile, their running sum, then the places. An index outside is a fault, reads 0 and adds nothing.
#include <fulmen/kernels/compute.h>
#include <fulmen/kernels/cuda/fault.h>
#include <fulmen/kernels/cuda/ordered.h>
#include <fulmen/kernels/cuda/scan.h>
#include <fulmen/kernels/gather.h>

namespace fulmen::cuda {

namespace {

constexpr int threads = 256;

/// The iteration space of an index: operand 0 is the index, 1 the tensor addressed like it, 2 the one addressed by the
/// index's values along a dimension of `limit` elements, `stride` apart; there the stride of that dimension is 0.
struct Paths {
  gpu::Places<3> places;
  int64_t stride, limit;
};

template <class Plain, class Far>
Paths paths_of(const ConstView& index, const Plain& plain, const Far& far, int dim) {
  Layout<3> layout;
  layout.ndim = index.ndim;
  layout.numel = index.numel;
  for (int d = 0; d < index.ndim; ++d) {
    layout.sizes[d] = index.sizes[d];
    layout.strides[0][d] = index.strides[d];
    layout.strides[1][d] = plain.strides[d];
    layout.strides[2][d] = d == dim ? 0 : far.strides[d];
  }
  layout.merge();
  return {gpu::Places<3>(layout), far.strides[dim], far.sizes[dim]};
}

// The row-major position in the index tensor before it was expanded.
GPU_INLINE int64_t position_in_index(const gpu::Places<3>& places, int64_t item) {
  int64_t position = 0, scale = 1;
  for (int d = places.ndim - 1; d >= 0; --d) {
    const int64_t i = item % places.sizes[d];
    item /= places.sizes[d];
    if (places.strides[0][d] == 0) continue;
    position += i * scale;
    scale *= places.sizes[d];
  }
  return position;
}

GPU_INLINE bool inside(const Paths& p, int64_t index, int64_t item, const FaultWord& fault) {
  if (index >= 0 && index < p.limit) return true;
  report(fault, FaultKind::Index, index, p.limit, position_in_index(p.places, item));
  return false;
}

template <class T>
__global__ __launch_bounds__(threads) void gather_items(T* y, const T* x, const int64_t* index, Paths p,
                                                        FaultWord fault) {
  const int64_t item = gpu::thread_index();
  if (item >= p.places.items) return;
  int64_t at[3];
  p.places.at(item, at);
  const int64_t i = index[at[0]];
  y[at[1]] = inside(p, i, item, fault) ? x[at[2] + i * p.stride] : T{};
}

/// A line of n index values along the dimension, and the strides on it. `inner`: lines that lie side by side in the
/// index; 0 if all lines have the same index values.
struct Line {
  int64_t n, index_stride, source_stride, inner;
  GPU_INLINE int64_t position(int64_t line, int64_t k) const {
    return inner == 0 ? k : (line / inner * n + k) * inner + line % inner;
  }
};

// One thread per line.
template <class T>
__global__ __launch_bounds__(threads) void add_lines(T* y, const T* source, const int64_t* index, Paths p, Line along,
                                                     double alpha, FaultWord fault) {
  const int64_t line = gpu::thread_index();
  if (line >= p.places.items) return;
  int64_t at[3];
  p.places.at(line, at);
  for (int64_t k = 0; k < along.n; ++k) {
    const int64_t i = index[at[0] + k * along.index_stride];
    if (i < 0 || i >= p.limit) {
      report(fault, FaultKind::Index, i, p.limit, along.position(line, k));
      continue;
    }
    T& to = y[at[2] + i * p.stride];
    const T added = source[at[1] + k * along.source_stride];
    if constexpr (std::is_same_v<T, bool>) {
      to = to || (added && alpha != 0);
    } else if constexpr (std::is_integral_v<T>) {
      to = static_cast<T>(static_cast<uint64_t>(to) +
                          static_cast<uint64_t>(static_cast<int64_t>(alpha)) * static_cast<uint64_t>(added));
    } else {
      using C = Compute<T>;
      to = converted<T>(converted<C>(to) + static_cast<C>(alpha) * converted<C>(added));
    }
  }
}

/// Keys are row-major positions in y, whose strides are those of operand 2.
__global__ __launch_bounds__(threads) void write_keys(uint64_t* keys, const int64_t* index, Paths p, int64_t nothing,
                                                      FaultWord fault) {
  const int64_t item = gpu::thread_index();
  if (item >= p.places.items) return;
  int64_t at[3];
  p.places.at(item, at);
  const int64_t i = index[at[0]];
  keys[item] = static_cast<uint64_t>(inside(p, i, item, fault) ? at[2] + i * p.stride : nothing);
}

// Lines that are few and long.
void add_sorted(const Launch& launch, const View& y, const ConstView& index, const ConstView& source, int dim,
                double alpha) {
  View dense = y;
  int64_t numel = 1;
  for (int d = y.ndim - 1; d >= 0; --d) {
    dense.strides[d] = numel;
    numel *= y.sizes[d];
  }
  gpu::KeySort<uint64_t> order(launch, 1, index.numel);
  GPU_LAUNCH(write_keys, gpu::blocks_for(index.numel, threads), threads, 0, launch, order.keys(), index.as<int64_t>(),
             paths_of(index, source, dense, dim), numel, fault_word(launch, "scatter_add"));
  order.run(gpu::bits_for(numel));
  ConstView walked = source;  // in the order of the index, which may be smaller
  for (int d = 0; d < index.ndim; ++d) walked.sizes[d] = index.sizes[d];
  const gpu::OrderedRows rows{gpu::places_of(y, 0, y.ndim), gpu::places_of(walked, 0, index.ndim), gpu::dense_row(1),
                              numel};
  gpu::ordered_add(launch, y.dtype, y.data, source.data, order, rows, alpha);
}

template <class V>
V without_dim(const V& view, int dim) {
  V rest = view;
  rest.sizes[dim] = 1;
  return rest;
}

}  // namespace

void gather(const Launch& launch, const View& y, const ConstView& x, const ConstView& index, int dim) {
  if (y.numel == 0) return;
  Paths p = paths_of(index, y, x, dim);
  const FaultWord fault = fault_word(launch, "gather");
  const int64_t size = element_size(y.dtype), width = 16 / size;
  const uintptr_t both = reinterpret_cast<uintptr_t>(y.data) | reinterpret_cast<uintptr_t>(x.data);
  const bool packets = both % 16 == 0 && p.places.inner_stride(0) == 0 && p.places.inner_stride(1) == 1 &&
                       p.places.inner_stride(2) == 1 && p.places.inner_size() % width == 0 &&
                       p.places.joins(1, width) && p.places.joins(2, width) && p.stride % width == 0;
#define GATHER(T)                                                                                                 \
  GPU_LAUNCH(gather_items<T>, gpu::blocks_for(p.places.items, threads), threads, 0, launch, y.as<T>(), x.as<T>(), \
             index.as<int64_t>(), p, fault)
  if (packets) {
    p.places.pack(width, 1);
    p.stride /= width;
    GATHER(gpu::Packet);
  } else if (size == 1) {
    GATHER(uint8_t);
  } else if (size == 2) {
    GATHER(uint16_t);
  } else if (size == 4) {
    GATHER(uint32_t);
  } else {
    GATHER(uint64_t);
  }
#undef GATHER
}

void scatter_add(const Launch& launch, const View& y, const ConstView& index, const ConstView& source, int dim,
                 double alpha) {
  if (index.numel == 0) return;
  const int64_t n = index.sizes[dim], lines = index.numel / n;
  constexpr int64_t enough_lines = 4096, short_line = 64;
  if (lines < enough_lines && n > short_line) return add_sorted(launch, y, index, source, dim, alpha);
  const Paths p = paths_of(without_dim(index, dim), source, y, dim);
  Line along{n, index.strides[dim], source.strides[dim], 0};
  for (int d = 0; d < index.ndim; ++d) {
    if (d != dim && index.sizes[d] > 1 && index.strides[d] != 0) along.inner = 1;
  }
  for (int d = dim + 1; d < index.ndim; ++d) along.inner *= index.sizes[d];
  const FaultWord fault = fault_word(launch, "scatter_add");
  switch (y.dtype) {
#define X(T, N)                                                                                              \
  case ScalarType::N:                                                                                        \
    GPU_LAUNCH(add_lines<T>, gpu::blocks_for(lines, threads), threads, 0, launch, y.as<T>(), source.as<T>(), \
               index.as<int64_t>(), p, along, alpha, fault);                                                 \
    return;
    FULMEN_FOR_EACH_DTYPE(X)
#undef X
    default:
      return;
  }
}

namespace {

constexpr int per_thread = 8;
constexpr int64_t tile = threads * per_thread;

GPU_INLINE int count_true(const bool* x, int64_t first, int64_t n) {
  int count = 0;
  for (int k = 0; k < per_thread; ++k) count += first + k < n && x[first + k];
  return count;
}

__global__ __launch_bounds__(threads) void count_tiles(int64_t* counts, const bool* x, int64_t n) {
  const int64_t first = gpu::thread_index() * per_thread;
  const int count = gpu::block_sum(count_true(x, first, n));
  if (threadIdx.x == 0) counts[blockIdx.x] = count;
}

/// counts[i] becomes the sum of those before; one block.
__global__ __launch_bounds__(threads) void add_up(int64_t* counts, int64_t tiles) {
  int64_t carry = 0;
  for (int64_t first = 0; first < tiles; first += threads) {
    const int64_t t = first + threadIdx.x;
    int64_t sum;
    const int64_t before = gpu::block_sum_before(t < tiles ? counts[t] : 0, sum);
    if (t < tiles) counts[t] = carry + before;
    carry += sum;
  }
}

struct Sizes {
  int32_t ndim;
  int64_t sizes[max_dims];
};

__global__ __launch_bounds__(threads) void write_places(int64_t* y, const int64_t* before, const bool* x, int64_t n,
                                                        int64_t rows, Sizes of) {
  const int64_t first = gpu::thread_index() * per_thread;
  int all;
  int64_t row = gpu::block_sum_before(count_true(x, first, n), all) + before[blockIdx.x];
  for (int64_t i = first; i < first + per_thread && i < n; ++i) {
    if (!x[i] || row >= rows) continue;
    int64_t rest = i;
    for (int d = of.ndim - 1; d >= 0; --d) {
      y[row * of.ndim + d] = rest % of.sizes[d];
      rest /= of.sizes[d];
    }
    ++row;
  }
}

}  // namespace

void nonzero(const Launch& launch, const View& y, const ConstView& x) {
  if (y.numel == 0) return;
  const unsigned tiles = gpu::blocks_for(x.numel, tile);
  const Workspace counts(launch, tiles * sizeof(int64_t));
  GPU_LAUNCH(count_tiles, tiles, threads, 0, launch, counts.as<int64_t>(), x.as<bool>(), x.numel);
  GPU_LAUNCH(add_up, 1, threads, 0, launch, counts.as<int64_t>(), static_cast<int64_t>(tiles));
  Sizes sizes{x.ndim, {}};
  for (int d = 0; d < x.ndim; ++d) sizes.sizes[d] = x.sizes[d];
  GPU_LAUNCH(write_places, tiles, threads, 0, launch, y.as<int64_t>(), counts.as<int64_t>(), x.as<bool>(), x.numel,
             y.sizes[0], sizes);
}

}  // namespace fulmen::cuda
