#include <fulmen/kernels/cuda.h>

#include <fulmen/kernels/cuda/attention.cuh>

// The derivative of attention on ordinary cores, without atomics. Probabilities are computed again from scores and lse,
// in two kernels that each own what they sum:
//   attention_keys      16 keys of a key head, over all queries of the heads that share it: gk and gv
//   attention_queries   16 queries, over all keys: gq
// Before them sum(y gy) of every query. 7 products instead of the 5 of one kernel with atomics, each in a fixed order.
namespace fulmen::cuda {

namespace {

using namespace attend;

constexpr int rows = 4, block_rows = warps * rows;

template <class S>
struct Backward {
  Operand<S> gq, gk, gv;
  Operand<const S> q, k, v, y, gy;
  const Compute<S>* lse;
  Compute<S>* slopes;  ///< sum(y gy) of each query
  Scores<S> scores;
  int64_t tiles;
};

/// slopes = sum(y gy): a warp per query.
template <class S>
__global__ void __launch_bounds__(256) attention_slopes(const Backward<S> p, int64_t count) {
  using T = Compute<S>;
  const int64_t row = gpu::thread_index() / gpu::warp_size;
  if (row >= count) return;
  const int64_t bh = row / p.scores.queries, b = bh / p.scores.heads, h = bh % p.scores.heads;
  const S *y = p.y.at(b, h, row % p.scores.queries), *gy = p.gy.at(b, h, row % p.scores.queries);
  T sum = 0;
  for (int d = gpu::lane_index(); d < p.y.features; d += gpu::warp_size) {
    sum += static_cast<T>(y[d]) * static_cast<T>(gy[d]);
  }
  sum = gpu::warp_sum(sum);
  if (gpu::lane_index() == 0) p.slopes[row] = sum;
}

/// From the score and the derivative of its probability (`slope`): the probability after dropout, and scale ds.
template <class S>
GPU_INLINE void derive(const Scores<S>& of, int64_t b, int64_t h, int64_t i, int64_t j, Compute<S>& product,
                       Compute<S>& slope, Compute<S> lse, Compute<S> mean_slope) {
  using T = Compute<S>;
  const T score = of.of(product, b, h, i, j);
  const T p = score == gpu::lowest<T> || lse == gpu::lowest<T> ? T(0) : math::exp(score - lse);
  const T z = p != T(0) ? of.noise(b, h, i, j) : T(0);
  product = p * z;
  slope = p != T(0) ? p * (z * slope - mean_slope) * of.scale : T(0);
}

/// Shared memory of both kernels: two sets of own rows, two tiles, two sets of weights.
template <class T, int Columns>
struct Shared {
  T *first_own, *second_own, *first_tile, *second_tile, *first_weights, *second_weights;
  static constexpr int tiles = (2 * tile_rows * pitch<Columns> + 3) / 4 * 4;
  GPU_INLINE Shared(T* shared, int first_features, int second_features) {
    const int warp = gpu::warp_index();
    first_own = shared + warp * rows * first_features;
    second_own = shared + block_rows * first_features + warp * rows * second_features;
    first_tile = shared + block_rows * (first_features + second_features);
    second_tile = first_tile + tile_rows * pitch<Columns>;
    first_weights = first_tile + tiles + warp * tile_rows * rows;
    second_weights = first_weights + block_rows * tile_rows;
  }
  static size_t bytes(int first_features, int second_features) {
    return sizeof(T) *
           static_cast<size_t>(block_rows * (first_features + second_features) + tiles + 2 * block_rows * tile_rows);
  }
};

template <class S, int Columns>
__global__ void __launch_bounds__(threads, Columns <= 2 ? 3 : 1) attention_keys(const Backward<S> p) {
  using T = Compute<S>;
  GPU_DYNAMIC_SHARED(T, memory);
  const Shared<T, Columns> shared(memory, p.q.features, p.v.features);
  const Scores<S>& of = p.scores;
  const int64_t key_heads = of.heads / of.group, bg = blockIdx.x / p.tiles, b = bg / key_heads, g = bg % key_heads;
  const int64_t first = blockIdx.x % p.tiles * block_rows, mine = first + gpu::warp_index() * rows;
  load_own<rows>(shared.first_own, p.k, b, g, mine, of.keys);
  load_own<rows>(shared.second_own, p.v, b, g, mine, of.keys);
  T gk[rows][Columns] = {}, gv[rows][Columns] = {};
  for (int64_t h = g * of.group; h < (g + 1) * of.group; ++h) {
    for (int64_t i = of.causal ? first / tile_rows * tile_rows : 0; i < of.queries; i += tile_rows) {
      __syncthreads();
      load_tile<Columns>(shared.first_tile, p.q, b, h, i, of.queries);
      load_tile<Columns>(shared.second_tile, p.gy, b, h, i, of.queries);
      __syncthreads();
      const int64_t query = i + gpu::lane_index(), row = (b * of.heads + h) * of.queries + query;
      const T lse = query < of.queries ? p.lse[row] : gpu::lowest<T>, mean = query < of.queries ? p.slopes[row] : T(0);
      T product[rows], slope[rows];
      multiply_rows<rows, Columns>(product, shared.first_own, shared.first_tile, p.q.features);
      multiply_rows<rows, Columns>(slope, shared.second_own, shared.second_tile, p.v.features);
#pragma unroll
      for (int r = 0; r < rows; ++r) derive<S>(of, b, h, query, mine + r, product[r], slope[r], lse, mean);
      put_weights(shared.first_weights, product);
      put_weights(shared.second_weights, slope);
      __syncwarp();
      add_rows(gv, shared.first_weights, shared.second_tile);
      add_rows(gk, shared.second_weights, shared.first_tile);
      __syncwarp();
    }
  }
#pragma unroll
  for (int r = 0; r < rows; ++r) {
    if (mine + r >= of.keys) continue;
    store_row(p.gk, b, g, mine + r, gk[r], T(1));
    store_row(p.gv, b, g, mine + r, gv[r], T(1));
  }
}

template <class S, int Columns>
__global__ void __launch_bounds__(threads, Columns <= 2 ? 3 : 1) attention_queries(const Backward<S> p) {
  using T = Compute<S>;
  GPU_DYNAMIC_SHARED(T, memory);
  const Shared<T, Columns> shared(memory, p.q.features, p.v.features);
  const Scores<S>& of = p.scores;
  const int64_t bh = blockIdx.x / p.tiles, b = bh / of.heads, h = bh % of.heads, g = h / of.group;
  const int64_t first = (p.tiles - 1 - blockIdx.x % p.tiles) * block_rows, mine = first + gpu::warp_index() * rows;
  load_own<rows>(shared.first_own, p.q, b, h, mine, of.queries);
  load_own<rows>(shared.second_own, p.gy, b, h, mine, of.queries);
  T lse[rows], mean[rows], gq[rows][Columns] = {};
#pragma unroll
  for (int r = 0; r < rows; ++r) {
    const bool inside = mine + r < of.queries;
    lse[r] = inside ? p.lse[bh * of.queries + mine + r] : gpu::lowest<T>;
    mean[r] = inside ? p.slopes[bh * of.queries + mine + r] : T(0);
  }
  const int64_t end = of.keys_for(first + block_rows);
  for (int64_t j = 0; j < end; j += tile_rows) {
    __syncthreads();
    load_tile<Columns>(shared.first_tile, p.k, b, g, j, of.keys);
    load_tile<Columns>(shared.second_tile, p.v, b, g, j, of.keys);
    __syncthreads();
    T product[rows], slope[rows];
    multiply_rows<rows, Columns>(product, shared.first_own, shared.first_tile, p.q.features);
    multiply_rows<rows, Columns>(slope, shared.second_own, shared.second_tile, p.v.features);
#pragma unroll
    for (int r = 0; r < rows; ++r) {
      derive<S>(of, b, h, mine + r, j + gpu::lane_index(), product[r], slope[r], lse[r], mean[r]);
    }
    put_weights(shared.second_weights, slope);
    __syncwarp();
    add_rows(gq, shared.second_weights, shared.first_tile);
    __syncwarp();
  }
#pragma unroll
  for (int r = 0; r < rows; ++r) {
    if (mine + r < of.queries) store_row(p.gq, b, h, mine + r, gq[r], T(1));
  }
}

}  // namespace

void attention_backward(const Launch& launch, const View& gq, const View& gk, const View& gv, const ConstView& q,
                        const ConstView& k, const ConstView& v, const ConstView& mask, const ConstView& y,
                        const ConstView& lse, const ConstView& gy, const AttentionSettings& settings) {
  for_real(q.dtype, [&]<class S>(S*) {
    using T = Compute<S>;
    const int64_t count = q.sizes[0] * q.sizes[1] * q.sizes[2];
    Workspace slopes(launch, sizeof(T) * static_cast<size_t>(count));
    Backward<S> p{Operand<S>(gq),
                  Operand<S>(gk),
                  Operand<S>(gv),
                  Operand<const S>(q),
                  Operand<const S>(k),
                  Operand<const S>(v),
                  Operand<const S>(y),
                  Operand<const S>(gy),
                  lse.as<T>(),
                  slopes.as<T>(),
                  Scores<S>(q, k, mask, settings),
                  0};
    if (count > 0) GPU_LAUNCH(attention_slopes<S>, gpu::blocks_for(count, 8), 256, 0, launch, p, count);
    for_columns(q.sizes[3] > v.sizes[3] ? q.sizes[3] : v.sizes[3], [&](auto columns) {
      constexpr int Columns = decltype(columns)::value;
      const size_t bytes = Shared<T, Columns>::bytes(p.q.features, p.v.features);
      auto tiles = [](int64_t n) { return (n + block_rows - 1) / block_rows; };
      if (gk.numel + gv.numel > 0) {
        p.tiles = tiles(k.sizes[2]);
        GPU_LAUNCH((attention_keys<S, Columns>), gpu::blocks_for(k.sizes[0] * k.sizes[1] * p.tiles, 1), threads, bytes,
                   launch, p);
      }
      if (gq.numel > 0) {
        p.tiles = tiles(q.sizes[2]);
        GPU_LAUNCH((attention_queries<S, Columns>), gpu::blocks_for(q.sizes[0] * q.sizes[1] * p.tiles, 1), threads,
                   bytes, launch, p);
      }
    });
  });
}

}  // namespace fulmen::cuda
