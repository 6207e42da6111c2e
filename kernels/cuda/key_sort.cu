// Stable sorting of unsigned keys with their positions; see key_sort.h. Short rows: a bitonic network in shared memory
// over (key, position), which are all different, so that the network is stable as well (Batcher 1968). Long rows: least
// significant digit first; a tile's warps rank their keys in order by matching digits among lanes.
#include <fulmen/kernels/cuda/gpu.h>
#include <fulmen/kernels/cuda/key_sort.h>
#include <fulmen/kernels/cuda/scan.h>

namespace fulmen::gpu {

namespace {

constexpr int block_limit = 2048;  // keys of a row that is sorted inside a block
constexpr int threads = 256, warps = threads / warp_size;
constexpr int rounds = 8;  // keys per thread
constexpr int tile = threads * rounds;
constexpr int digits = 256;

/// One block per row; `padded` is n rounded up to a power of two.
template <class K>
__global__ __launch_bounds__(threads) void sort_row(K* keys, int64_t* positions, int n, int padded) {
  __shared__ K key[block_limit];
  __shared__ uint16_t place[block_limit];
  const int64_t row = static_cast<int64_t>(blockIdx.x) * n;
  const int me = static_cast<int>(threadIdx.x), step = static_cast<int>(blockDim.x);
  for (int i = me; i < padded; i += step) {
    key[i] = i < n ? keys[row + i] : static_cast<K>(~K{0});
    place[i] = static_cast<uint16_t>(i);
  }
  __syncthreads();
  for (int size = 2; size <= padded; size *= 2) {
    for (int stride = size / 2; stride > 0; stride /= 2) {
      for (int pair = me; pair < padded / 2; pair += step) {
        const int i = 2 * stride * (pair / stride) + pair % stride, j = i + stride;
        const bool ascending = (i & size) == 0;
        const bool after = key[i] > key[j] || (key[i] == key[j] && place[i] > place[j]);
        if (after != ascending) continue;
        const K k = key[i];
        const uint16_t p = place[i];
        key[i] = key[j];
        place[i] = place[j];
        key[j] = k;
        place[j] = p;
      }
      __syncthreads();
    }
  }
  for (int i = me; i < n; i += step) {
    keys[row + i] = key[i];
    positions[row + i] = place[i];
  }
}

/// counts[row, digit, tile]
template <class K>
__global__ __launch_bounds__(threads) void count_digits(const K* keys, int64_t* counts, int64_t n, int64_t tiles,
                                                        int shift) {
  __shared__ int count[digits];
  const int64_t row = blockIdx.x / tiles, t = blockIdx.x % tiles;
  count[threadIdx.x] = 0;
  __syncthreads();
  for (int r = 0; r < rounds; ++r) {
    const int64_t i = t * tile + r * threads + threadIdx.x;
    if (i < n) atomicAdd(&count[keys[row * n + i] >> shift & (digits - 1)], 1);
  }
  __syncthreads();
  counts[(row * digits + threadIdx.x) * tiles + t] = count[threadIdx.x];
}

/// Counts become the numbers of equal digits in tiles before; one block per row and digit.
__global__ __launch_bounds__(threads) void add_up_tiles(int64_t* counts, int64_t* totals, int64_t tiles) {
  int64_t* mine = counts + blockIdx.x * tiles;
  int64_t carry = 0;
  for (int64_t first = 0; first < tiles; first += threads) {
    const int64_t t = first + threadIdx.x;
    int64_t sum;
    const int64_t before = block_sum_before(t < tiles ? mine[t] : 0, sum);
    if (t < tiles) mine[t] = carry + before;
    carry += sum;
  }
  if (threadIdx.x == 0) totals[blockIdx.x] = carry;
}

/// `from_positions` is null in the first pass.
template <class K>
__global__ __launch_bounds__(threads) void move_by_digit(const K* from_keys, const int64_t* from_positions, K* to_keys,
                                                         int64_t* to_positions, const int64_t* counts,
                                                         const int64_t* totals, int64_t n, int64_t tiles, int shift) {
  __shared__ int of_warp[warps][digits];
  __shared__ int64_t base[digits];
  const int64_t row = blockIdx.x / tiles, t = blockIdx.x % tiles;
  const int warp = warp_index(), lane = lane_index();
  for (int w = 0; w < warps; ++w) of_warp[w][threadIdx.x] = 0;
  __syncthreads();
  const int64_t first = t * tile + warp * (rounds * warp_size) + lane;
  K key[rounds];
  int rank[rounds];
#pragma unroll
  for (int r = 0; r < rounds; ++r) {
    const int64_t i = first + r * warp_size;
    const bool exists = i < n;
    key[r] = exists ? from_keys[row * n + i] : K{0};
    const int digit = exists ? static_cast<int>(key[r] >> shift & (digits - 1)) : digits;
    const unsigned equal = __match_any_sync(all_lanes, digit);
    const int before = __popc(equal & ((1u << lane) - 1));
    rank[r] = exists ? of_warp[warp][digit] + before : 0;
    __syncwarp();
    if (exists && before == 0) of_warp[warp][digit] += __popc(equal);
    __syncwarp();
  }
  __syncthreads();
  int sum = 0;
  for (int w = 0; w < warps; ++w) {
    const int count = of_warp[w][threadIdx.x];
    of_warp[w][threadIdx.x] = sum;
    sum += count;
  }
  int64_t all;
  const int64_t start = block_sum_before(totals[row * digits + threadIdx.x], all);
  base[threadIdx.x] = start + counts[(row * digits + threadIdx.x) * tiles + t];
  __syncthreads();
#pragma unroll
  for (int r = 0; r < rounds; ++r) {
    const int64_t i = first + r * warp_size;
    if (i >= n) continue;
    const int digit = static_cast<int>(key[r] >> shift & (digits - 1));
    const int64_t to = row * n + base[digit] + of_warp[warp][digit] + rank[r];
    to_keys[to] = key[r];
    to_positions[to] = from_positions ? from_positions[row * n + i] : i;
  }
}

constexpr size_t rounded(size_t bytes) { return (bytes + 255) / 256 * 256; }
bool fits_block(int64_t n) { return n <= block_limit; }

template <class K>
size_t bytes_of(int64_t rows, int64_t n, int64_t tiles) {
  const auto count = static_cast<size_t>(rows * n);
  if (fits_block(n)) return rounded(count * sizeof(K)) + rounded(count * sizeof(int64_t));
  return 2 * rounded(count * sizeof(K)) + 2 * rounded(count * sizeof(int64_t)) +
         rounded(static_cast<size_t>(rows * digits * tiles) * sizeof(int64_t)) +
         rounded(static_cast<size_t>(rows * digits) * sizeof(int64_t));
}

}  // namespace

template <class K>
KeySort<K>::KeySort(const Launch& launch, int64_t rows, int64_t n)
    : launch_(launch),
      rows_(rows),
      n_(n),
      tiles_((n + tile - 1) / tile),
      memory_(launch, bytes_of<K>(rows, n, tiles_)) {
  auto* free = memory_.as<char>();
  auto take = [&](int64_t count, size_t size) {
    void* taken = free;
    free += rounded(static_cast<size_t>(count) * size);
    return taken;
  };
  const int copies = fits_block(n) ? 1 : 2;
  for (int i = 0; i < copies; ++i) {
    keys_[i] = static_cast<K*>(take(rows * n, sizeof(K)));
    positions_[i] = static_cast<int64_t*>(take(rows * n, sizeof(int64_t)));
  }
  if (copies == 1) return;
  counts_ = static_cast<int64_t*>(take(rows * digits * tiles_, sizeof(int64_t)));
  totals_ = static_cast<int64_t*>(take(rows * digits, sizeof(int64_t)));
}

template <class K>
void KeySort<K>::run(int bits) {
  if (rows_ * n_ == 0) return;
  if (fits_block(n_)) return sort_in_blocks();
  for (int shift = 0; shift < bits; shift += 8) sort_by_digit(shift, shift == 0);
}

template <class K>
void KeySort<K>::sort_in_blocks() {
  int padded = 2;
  while (padded < n_) padded *= 2;
  const int block = padded / 2 < warp_size ? warp_size : padded / 2 > threads ? threads : padded / 2;
  GPU_LAUNCH(sort_row<K>, static_cast<unsigned>(rows_), block, 0, launch_, keys_[0], positions_[0],
             static_cast<int>(n_), padded);
}

template <class K>
void KeySort<K>::sort_by_digit(int shift, bool first) {
  const auto blocks = static_cast<unsigned>(rows_ * tiles_);
  const int to = 1 - current_;
  GPU_LAUNCH(count_digits<K>, blocks, threads, 0, launch_, keys_[current_], counts_, n_, tiles_, shift);
  GPU_LAUNCH(add_up_tiles, static_cast<unsigned>(rows_ * digits), threads, 0, launch_, counts_, totals_, tiles_);
  GPU_LAUNCH(move_by_digit<K>, blocks, threads, 0, launch_, keys_[current_], first ? nullptr : positions_[current_],
             keys_[to], positions_[to], counts_, totals_, n_, tiles_, shift);
  current_ = to;
}

template class KeySort<uint8_t>;
template class KeySort<uint16_t>;
template class KeySort<uint32_t>;
template class KeySort<uint64_t>;

}  // namespace fulmen::gpu
