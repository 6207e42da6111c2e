// sort: elements become unsigned keys in the order of the result, which KeySort sorts with their positions; then values
// are read from those. -0 and 0 are one key, and so are all NaN, the largest.
// cumsum: one thread per column where there are many side by side; otherwise lines are cut into chunks of 4096, whose
// sums are added up before them. Sums are double for float, float for the 16-bit types.
#include <fulmen/kernels/compute.h>
#include <fulmen/kernels/cuda/key_sort.h>
#include <fulmen/kernels/cuda/scan.h>
#include <fulmen/kernels/gather.h>

namespace fulmen::cuda {

namespace {

constexpr int threads = 256;

template <class T>
using Key = std::conditional_t<
    sizeof(T) == 1, uint8_t,
    std::conditional_t<sizeof(T) == 2, uint16_t, std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>>>;

/// Rises with x.
template <class T>
GPU_INLINE Key<T> key_of(T x) {
  using K = Key<T>;
  constexpr K sign = static_cast<K>(K{1} << (8 * sizeof(T) - 1));
  if constexpr (std::is_same_v<T, bool>) {
    return x ? 1 : 0;
  } else if constexpr (std::is_unsigned_v<T>) {
    return x;
  } else if constexpr (std::is_integral_v<T>) {
    return static_cast<K>(static_cast<K>(x) ^ sign);
  } else {
    const Compute<T> value = converted<Compute<T>>(x);
    if (value != value) return static_cast<K>(~K{0});
    if (value == 0) return sign;
    const K bits = __builtin_bit_cast(K, x);
    return static_cast<K>(bits & sign ? ~bits : bits | sign);
  }
}

template <class T>
__global__ __launch_bounds__(threads) void write_keys(Key<T>* keys, const T* x, int64_t numel, bool descending) {
  const int64_t i = gpu::thread_index();
  if (i >= numel) return;
  const Key<T> key = key_of(x[i]);
  keys[i] = descending ? static_cast<Key<T>>(~key) : key;
}

/// The first `count` of each row of n.
template <class T>
__global__ __launch_bounds__(threads) void read_sorted(T* values, int64_t* positions, const T* x, const int64_t* order,
                                                       int64_t rows, int64_t n, int64_t count) {
  const int64_t me = gpu::thread_index();
  if (me >= rows * count) return;
  const int64_t row = me / count * n, i = row + me % count;
  positions[i] = order[i];
  values[i] = x[row + order[i]];
}

template <class T>
void sort_as(const Launch& launch, const View& values, const View& positions, bool descending, int64_t count) {
  const int64_t rows = values.sizes[0], n = values.sizes[1], numel = values.numel;
  gpu::KeySort<Key<T>> order(launch, rows, n);
  const Workspace copy(launch, static_cast<size_t>(numel) * sizeof(T));
  cudaMemcpyAsync(copy.data(), values.data, static_cast<size_t>(numel) * sizeof(T), cudaMemcpyDeviceToDevice,
                  gpu::stream_of(launch));
  GPU_LAUNCH(write_keys<T>, gpu::blocks_for(numel, threads), threads, 0, launch, order.keys(), values.as<T>(), numel,
             descending);
  order.run();
  GPU_LAUNCH(read_sorted<T>, gpu::blocks_for(rows * count, threads), threads, 0, launch, values.as<T>(),
             positions.as<int64_t>(), copy.as<T>(), order.positions(), rows, n, count);
}

}  // namespace

void sort(const Launch& launch, const View& values, const View& positions, bool descending, int64_t count) {
  if (values.numel == 0 || count == 0) return;
  switch (values.dtype) {
#define X(T, N)       \
  case ScalarType::N: \
    return sort_as<T>(launch, values, positions, descending, count);
    FULMEN_FOR_EACH_DTYPE(X)
#undef X
    default:
      return;
  }
}

namespace {

constexpr int per_thread = 4;
constexpr int64_t step = threads * per_thread, chunk = 4 * step;

/// [outer, n, inner]; a line goes along n.
struct Lines {
  int64_t outer, n, inner, chunks;
  GPU_INLINE int64_t begin(int64_t line) const { return line / inner * n * inner + line % inner; }
};

template <class T, class Acc>
__global__ __launch_bounds__(threads) void add_columns(T* y, const T* x, Lines lines) {
  const int64_t line = gpu::thread_index();
  if (line >= lines.outer * lines.inner) return;
  Acc sum{};
  int64_t at = lines.begin(line);
  for (int64_t k = 0; k < lines.n; ++k, at += lines.inner) {
    sum += static_cast<Acc>(x[at]);
    y[at] = static_cast<T>(sum);
  }
}

/// sums[line, chunk]
template <class T, class Acc>
__global__ __launch_bounds__(threads) void sum_chunks(Acc* sums, const T* x, Lines lines) {
  const int64_t line = blockIdx.x / lines.chunks, first = blockIdx.x % lines.chunks * chunk, begin = lines.begin(line);
  const int64_t end = first + chunk < lines.n ? first + chunk : lines.n;
  Acc sum{};
  for (int64_t k = first + threadIdx.x; k < end; k += threads) sum += static_cast<Acc>(x[begin + k * lines.inner]);
  sum = gpu::block_sum(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

/// sums[line, chunk] becomes the sum of the line's chunks before; one block per line.
template <class Acc>
__global__ __launch_bounds__(threads) void add_up_chunks(Acc* sums, int64_t chunks) {
  Acc carry{};
  for (int64_t first = 0; first < chunks; first += threads) {
    const int64_t c = first + threadIdx.x;
    Acc* mine = sums + blockIdx.x * chunks + c;
    Acc sum;
    const Acc before = gpu::block_sum_before(c < chunks ? *mine : Acc{}, sum);
    if (c < chunks) *mine = carry + before;
    carry += sum;
  }
}

template <class T, class Acc>
__global__ __launch_bounds__(threads) void add_chunks(T* y, const T* x, const Acc* sums, Lines lines) {
  const int64_t line = blockIdx.x / lines.chunks, first = blockIdx.x % lines.chunks * chunk, begin = lines.begin(line);
  Acc carry = lines.chunks > 1 ? sums[blockIdx.x] : Acc{};
  for (int64_t base = first; base < first + chunk && base < lines.n; base += step) {
    Acc own[per_thread], mine{};
    const int64_t k0 = base + threadIdx.x * per_thread;
#pragma unroll
    for (int j = 0; j < per_thread; ++j) {
      mine += k0 + j < lines.n ? static_cast<Acc>(x[begin + (k0 + j) * lines.inner]) : Acc{};
      own[j] = mine;
    }
    Acc all;
    const Acc before = carry + gpu::block_sum_before(mine, all);
#pragma unroll
    for (int j = 0; j < per_thread; ++j) {
      if (k0 + j < lines.n) y[begin + (k0 + j) * lines.inner] = static_cast<T>(before + own[j]);
    }
    carry += all;
  }
}

template <class T, class Acc>
void cumsum_as(const Launch& launch, const View& y, const ConstView& x) {
  Lines lines{x.sizes[0], x.sizes[1], x.sizes[2], (x.sizes[1] + chunk - 1) / chunk};
  const int64_t count = lines.outer * lines.inner;
  constexpr int64_t short_line = 32, side_by_side = 32, enough_lines = 4096;
  if (lines.n <= short_line || (lines.inner >= side_by_side && count >= enough_lines)) {
    GPU_LAUNCH((add_columns<T, Acc>), gpu::blocks_for(count, threads), threads, 0, launch, y.as<T>(), x.as<T>(), lines);
    return;
  }
  const unsigned blocks = gpu::blocks_for(count * lines.chunks, 1);
  const Workspace sums(launch, lines.chunks > 1 ? blocks * sizeof(Acc) : 0);
  if (lines.chunks > 1) {
    GPU_LAUNCH((sum_chunks<T, Acc>), blocks, threads, 0, launch, sums.as<Acc>(), x.as<T>(), lines);
    GPU_LAUNCH(add_up_chunks<Acc>, static_cast<unsigned>(count), threads, 0, launch, sums.as<Acc>(), lines.chunks);
  }
  GPU_LAUNCH((add_chunks<T, Acc>), blocks, threads, 0, launch, y.as<T>(), x.as<T>(), sums.as<Acc>(), lines);
}

}  // namespace

void cumsum(const Launch& launch, const View& y, const ConstView& x) {
  if (x.numel == 0) return;
  switch (x.dtype) {
    case ScalarType::Half:
      return cumsum_as<Half, float>(launch, y, x);
    case ScalarType::BFloat16:
      return cumsum_as<BFloat16, float>(launch, y, x);
    case ScalarType::Float:
      return cumsum_as<float, double>(launch, y, x);
    case ScalarType::Double:
      return cumsum_as<double, double>(launch, y, x);
    case ScalarType::Long:
      return cumsum_as<int64_t, uint64_t>(launch, y, x);
    default:
      return;
  }
}

}  // namespace fulmen::cuda
