#include <fulmen/kernels/cuda/attention.cuh>

// Attention on ordinary cores, exact in float32 (float64 for double): y = softmax(scale q k^T + mask) v with the online
// softmax of FlashAttention-2 (Dao 2023). A block has 32 queries (16 of double) of one head and passes over the keys,
// 32 at a time, in shared memory. Later queries, which see more keys under a causal mask, are started first. 2 B H L S
// (E + D) operations; keys and values are read once per 32 queries, mostly from the cache.
namespace fulmen::cuda {

namespace {

using namespace attend;

template <class S>
struct Forward {
  Operand<S> y;
  Operand<const S> q, k, v;
  Compute<S>* lse;
  Scores<S> scores;
  int64_t tiles;  ///< of queries
};

template <class T>
inline constexpr int own_rows = sizeof(T) == 8 ? 4 : 8;

template <class S, int Columns>
__global__ void __launch_bounds__(threads, Columns <= 2 ? 3 : 1) attention_rows(const Forward<S> p) {
  using T = Compute<S>;
  constexpr int rows = own_rows<T>;
  GPU_DYNAMIC_SHARED(T, shared);
  const Scores<S>& of = p.scores;
  T* keys = shared + warps * rows * p.q.features;
  T* values = keys + tile_rows * pitch<Columns>;
  T* own = shared + gpu::warp_index() * rows * p.q.features;
  // The tiles' size is odd; weights move 16 bytes at a time.
  T* weights = shared + (warps * rows * p.q.features + 2 * tile_rows * pitch<Columns> + 3) / 4 * 4 +
               gpu::warp_index() * tile_rows * rows;
  const int64_t bh = blockIdx.x / p.tiles, b = bh / of.heads, h = bh % of.heads, key_head = h / of.group;
  const int64_t first = (p.tiles - 1 - blockIdx.x % p.tiles) * warps * rows, mine = first + gpu::warp_index() * rows;
  load_own<rows>(own, p.q, b, h, mine, of.queries);
  T most[rows], sum[rows], sums[rows][Columns];
#pragma unroll
  for (int r = 0; r < rows; ++r) {
    most[r] = gpu::lowest<T>;
    sum[r] = T(0);
#pragma unroll
    for (int c = 0; c < Columns; ++c) sums[r][c] = T(0);
  }
  const int64_t end = of.keys_for(first + warps * rows);
  for (int64_t j = 0; j < end; j += tile_rows) {
    __syncthreads();
    load_tile<Columns>(keys, p.k, b, key_head, j, of.keys);
    load_tile<Columns>(values, p.v, b, key_head, j, of.keys);
    __syncthreads();
    T part[rows];
    multiply_rows<rows, Columns>(part, own, keys, p.q.features);
#pragma unroll
    for (int r = 0; r < rows; ++r) {
      const T score = of.of(part[r], b, h, mine + r, j + gpu::lane_index());
      const T above = gpu::Max{}(most[r], gpu::warp_max(score)), base = above == gpu::lowest<T> ? T(0) : above;
      const T factor = most[r] == gpu::lowest<T> ? T(0) : math::exp(most[r] - base);
      part[r] = math::exp(score - base);
      sum[r] = sum[r] * factor + gpu::warp_sum(part[r]);
      most[r] = above;
      if (part[r] != T(0)) part[r] *= of.noise(b, h, mine + r, j + gpu::lane_index());
#pragma unroll
      for (int c = 0; c < Columns; ++c) sums[r][c] *= factor;
    }
    put_weights(weights, part);
    __syncwarp();
    add_rows(sums, weights, values);
    __syncwarp();
  }
#pragma unroll
  for (int r = 0; r < rows; ++r) {
    if (mine + r >= of.queries) continue;
    const bool none = most[r] == gpu::lowest<T>;
    store_row(p.y, b, h, mine + r, sums[r], none ? T(0) : T(1) / sum[r]);
    if (gpu::lane_index() == 0) p.lse[bh * of.queries + mine + r] = none ? most[r] : most[r] + math::log(sum[r]);
  }
}

}  // namespace

void attention(const Launch& launch, const View& y, const View& lse, const ConstView& q, const ConstView& k,
               const ConstView& v, const ConstView& mask, const AttentionSettings& settings) {
  if (lse.numel == 0) return;
  for_real(q.dtype, [&]<class S>(S*) {
    using T = Compute<S>;
    constexpr int rows = warps * own_rows<T>;
    const int64_t tiles = (q.sizes[2] + rows - 1) / rows;
    const Forward<S> p{Operand<S>(y),
                       Operand<const S>(q),
                       Operand<const S>(k),
                       Operand<const S>(v),
                       lse.as<T>(),
                       Scores<S>(q, k, mask, settings),
                       tiles};
    for_columns(q.sizes[3] > v.sizes[3] ? q.sizes[3] : v.sizes[3], [&](auto columns) {
      constexpr int Columns = decltype(columns)::value;
      const size_t numbers = static_cast<size_t>(rows * p.q.features + 2 * tile_rows * pitch<Columns> + 3) / 4 * 4 +
                             static_cast<size_t>(rows * tile_rows);
      GPU_LAUNCH((attention_rows<S, Columns>), gpu::blocks_for(q.sizes[0] * q.sizes[1] * tiles, 1), threads,
                 sizeof(T) * numbers, launch, p);
    });
  });
}

}  // namespace fulmen::cuda
