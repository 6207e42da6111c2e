// Reading and writing at positions given by index tensors. index_get: one thread per element, or per 16 bytes where
// rows are dense; bound by memory. index_put sorts the rows by position, so that the last one counts, or the sum of all
// in a fixed order (float for Half and BFloat16).
#include <fulmen/kernels/cuda/fault.h>
#include <fulmen/kernels/cuda/ordered.h>
#include <fulmen/kernels/indexing.h>

namespace fulmen::cuda {

namespace {

constexpr int threads = 256;

// Operand 0: `places`, 1: the index.
__global__ __launch_bounds__(threads) void count_places(int64_t* places, const int64_t* index, gpu::Places<2> at,
                                                        int64_t size, bool first, FaultWord fault) {
  const int64_t item = gpu::thread_index();
  if (item >= at.items) return;
  int64_t offsets[2];
  at.at(item, offsets);
  const int64_t asked = index[offsets[1]];
  int64_t wrapped = asked < 0 ? asked + size : asked;
  if (wrapped < 0 || wrapped >= size) {
    int64_t position = 0, scale = 1, rest = item;  // in the index tensor before it was expanded
    for (int d = at.ndim - 1; d >= 0; --d) {
      if (at.strides[1][d] != 0) {
        position += rest % at.sizes[d] * scale;
        scale *= at.sizes[d];
      }
      rest /= at.sizes[d];
    }
    report(fault, FaultKind::Index, asked, size, position);
    wrapped = 0;
  }
  places[offsets[0]] = first ? wrapped : places[offsets[0]] * size + wrapped;
}

/// Row m of y, whose elements are `rest` (operand 0: y, 1: x), is the row of x at places[m].
struct Rows {
  gpu::Places<1> indexed;  ///< of x
  gpu::Places<2> rest;
  int64_t count, y_stride;
};

template <class T>
__global__ __launch_bounds__(threads) void read_rows(T* y, const T* x, const int64_t* places, Rows rows) {
  const int64_t me = gpu::thread_index();
  if (me >= rows.count * rows.rest.items) return;
  const int64_t m = me / rows.rest.items;
  int64_t row[1], at[2];
  rows.indexed.at(places[m], row);
  rows.rest.at(me % rows.rest.items, at);
  y[m * rows.y_stride + at[0]] = x[row[0] + at[1]];
}

/// The dimensions of `far` that are not indexed, beside those of `near`, which has one before them.
template <class A, class B>
Layout<2> rest_of(const A& near, const B& far, int indexed) {
  Layout<2> layout;
  layout.ndim = 0;
  layout.numel = 1;
  for (int d = indexed; d < far.ndim; ++d) {
    layout.numel *= layout.sizes[layout.ndim] = far.sizes[d];
    layout.strides[0][layout.ndim] = near.strides[d - indexed + 1];
    layout.strides[1][layout.ndim++] = far.strides[d];
  }
  layout.merge();
  return layout;
}

// Packets of 16 bytes instead of elements, where everything is a multiple of them.
bool pack(Rows& rows, const void* y, const void* x, int64_t width) {
  const uintptr_t both = reinterpret_cast<uintptr_t>(y) | reinterpret_cast<uintptr_t>(x);
  gpu::Places<2>& rest = rows.rest;
  bool fits = both % 16 == 0 && rest.inner_stride(0) == 1 && rest.inner_stride(1) == 1 &&
              rest.inner_size() % width == 0 && rest.joins(0, width) && rest.joins(1, width) &&
              rows.y_stride % width == 0;
  for (int d = 0; d < rows.indexed.ndim; ++d) fits = fits && rows.indexed.strides[0][d] % width == 0;
  if (!fits) return false;
  rest.pack(width, 0);
  for (int d = 0; d < rows.indexed.ndim; ++d) rows.indexed.strides[0][d] /= width;
  rows.y_stride /= width;
  return true;
}

}  // namespace

void index_places(const Launch& launch, View places, ConstView index, int64_t size, bool first, View) {
  if (places.numel == 0) return;
  Layout<2> layout;
  layout.ndim = index.ndim;
  layout.numel = places.numel;
  int64_t dense = 1;
  for (int d = index.ndim - 1; d >= 0; --d) {
    layout.sizes[d] = index.sizes[d];
    layout.strides[0][d] = dense;
    layout.strides[1][d] = index.strides[d];
    dense *= index.sizes[d];
  }
  layout.merge();
  GPU_LAUNCH(count_places, gpu::blocks_for(places.numel, threads), threads, 0, launch, places.as<int64_t>(),
             index.as<int64_t>(), gpu::Places<2>(layout), size, first, fault_word(launch, "index_places"));
}

void index_get(const Launch& launch, View y, ConstView x, ConstView places, int32_t indexed) {
  if (y.numel == 0) return;
  Rows rows{gpu::places_of(x, 0, indexed), gpu::Places<2>(rest_of(y, x, indexed)), y.sizes[0], y.strides[0]};
  const int64_t size = element_size(y.dtype);
  const bool packets = pack(rows, y.data, x.data, 16 / size);
#define READ(T)                                                                                                  \
  GPU_LAUNCH(read_rows<T>, gpu::blocks_for(rows.count* rows.rest.items, threads), threads, 0, launch, y.as<T>(), \
             x.as<T>(), places.as<int64_t>(), rows)
  if (packets) {
    READ(gpu::Packet);
  } else if (size == 1) {
    READ(uint8_t);
  } else if (size == 2) {
    READ(uint16_t);
  } else if (size == 4) {
    READ(uint32_t);
  } else {
    READ(uint64_t);
  }
#undef READ
}

void index_put(const Launch& launch, View y, ConstView places, ConstView values, int32_t indexed, bool accumulate) {
  if (values.numel == 0) return;
  const int64_t count = values.sizes[0];
  int64_t limit = 1;
  for (int d = 0; d < indexed; ++d) limit *= y.sizes[d];
  Layout<2> rest = rest_of(values, y, indexed);
  for (int d = 0; d < rest.ndim; ++d) {  // y first
    const int64_t stride = rest.strides[0][d];
    rest.strides[0][d] = rest.strides[1][d];
    rest.strides[1][d] = stride;
  }
  const gpu::OrderedRows rows{gpu::places_of(y, 0, indexed), gpu::rows_of(count, values.strides[0]),
                              gpu::Places<2>(rest), limit};
  gpu::KeySort<uint64_t> order(launch, 1, count);
  cudaMemcpyAsync(order.keys(), places.data, static_cast<size_t>(count) * sizeof(int64_t), cudaMemcpyDeviceToDevice,
                  gpu::stream_of(launch));
  order.run(gpu::bits_for(limit));
  if (accumulate) {
    gpu::ordered_add(launch, y.dtype, y.data, values.data, order, rows, 1);
  } else {
    gpu::ordered_put(launch, y.dtype, y.data, values.data, order, rows);
  }
}

}  // namespace fulmen::cuda
