// embedding: rows of a table by number, 16 bytes per thread where rows allow it; bound by memory, two times y.
// embedding_add: rows of gy are sorted by index and added up in a fixed order; sums are float for Half and BFloat16. An
// index outside of the table is a fault, reads zeros and adds nothing.
#include <fulmen/kernels/cuda/fault.h>
#include <fulmen/kernels/cuda/ordered.h>
#include <fulmen/kernels/embedding.h>

namespace fulmen::cuda {

namespace {

constexpr int threads = 256;

/// y [n, width] = weight [count, width] at indices [n]; elements of any kind, 16-byte packets among them.
template <class T>
__global__ __launch_bounds__(threads) void read_rows(T* y, const T* weight, const int64_t* indices, int64_t n,
                                                     int64_t width, int64_t count, FaultWord fault) {
  const int64_t me = gpu::thread_index();
  if (me >= n * width) return;
  const int64_t row = me / width, column = me % width, index = indices[row];
  if (index >= 0 && index < count) {
    y[me] = weight[index * width + column];
  } else {
    y[me] = T{};
    if (column == 0) report(fault, FaultKind::Index, index, count, row);
  }
}

template <class T>
void read(const Launch& launch, const View& y, const ConstView& weight, const ConstView& indices, int64_t width) {
  GPU_LAUNCH(read_rows<T>, gpu::blocks_for(indices.numel * width, threads), threads, 0, launch, y.as<T>(),
             weight.as<T>(), indices.as<int64_t>(), indices.numel, width, weight.sizes[0],
             fault_word(launch, "embedding"));
}

__global__ __launch_bounds__(threads) void write_keys(uint64_t* keys, const int64_t* indices, int64_t n, int64_t count,
                                                      int64_t skip, FaultWord fault) {
  const int64_t i = gpu::thread_index();
  if (i >= n) return;
  const int64_t index = indices[i];
  const bool inside = index >= 0 && index < count;
  if (!inside) report(fault, FaultKind::Index, index, count, i);
  keys[i] = static_cast<uint64_t>(inside && index != skip ? index : count);
}

}  // namespace

void embedding(const Launch& launch, const View& y, const ConstView& weight, const ConstView& indices) {
  const int64_t bytes = weight.sizes[1] * element_size(weight.dtype);
  if (indices.numel == 0 || bytes == 0) return;
  const uintptr_t all =
      reinterpret_cast<uintptr_t>(y.data) | reinterpret_cast<uintptr_t>(weight.data) | static_cast<uintptr_t>(bytes);
  if (all % 16 == 0) return read<gpu::Packet>(launch, y, weight, indices, bytes / 16);
  if (all % 4 == 0) return read<uint32_t>(launch, y, weight, indices, bytes / 4);
  if (all % 2 == 0) return read<uint16_t>(launch, y, weight, indices, bytes / 2);
  read<uint8_t>(launch, y, weight, indices, bytes);
}

void embedding_add(const Launch& launch, const View& gw, const ConstView& gy, const ConstView& indices, int64_t skip) {
  const int64_t count = gw.sizes[0], features = gw.sizes[1], n = indices.numel;
  if (n == 0 || features == 0) return;
  gpu::KeySort<uint64_t> order(launch, 1, n);
  GPU_LAUNCH(write_keys, gpu::blocks_for(n, threads), threads, 0, launch, order.keys(), indices.as<int64_t>(), n, count,
             skip, fault_word(launch, "embedding_add"));
  order.run(gpu::bits_for(count));
  const gpu::OrderedRows rows{gpu::rows_of(count, features), gpu::rows_of(n, features), gpu::dense_row(features),
                              count};
  gpu::ordered_add(launch, gw.dtype, gw.data, gy.data, order, rows, 1);
}

}  // namespace fulmen::cuda
