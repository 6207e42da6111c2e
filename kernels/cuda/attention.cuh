#pragma once
#include <fulmen/kernels/attention.h>
#include <fulmen/kernels/compute.h>
#include <fulmen/kernels/cuda/gpu.h>
#include <fulmen/kernels/cuda/math.h>

// What the attention kernels on ordinary cores share. A warp owns Rows rows (of queries, or of keys), its lanes 32 rows
// of the other side, which the block has in shared memory:
//   dot products    each lane its own row of the tile with all Rows rows of the warp; those are stored feature by
//                   feature, so that one load of 16 bytes feeds several of them
//   sums            each lane has every 32nd feature, and adds the tile's rows with the weights just computed
// Rows of a tile are one element longer than 32 Columns, so that both ways lead through different banks.
namespace fulmen::cuda::attend {

using gpu::Vec;

inline constexpr int warps = 4, threads = warps * gpu::warp_size, tile_rows = gpu::warp_size;

/// [batch, heads, time, features], features next to each other.
template <class S>
struct Operand {
  S* data = nullptr;
  int64_t strides[3] = {};
  int features = 0;

  Operand() = default;
  template <class V>
  explicit Operand(const V& v) : data(v.template as<std::remove_const_t<S>>()), features(static_cast<int>(v.sizes[3])) {
    for (int d = 0; d < 3; ++d) strides[d] = v.strides[d];
  }
  GPU_INLINE S* at(int64_t b, int64_t h, int64_t row) const {
    return data + b * strides[0] + h * strides[1] + row * strides[2];
  }
};

/// Positions, masks and dropout: what becomes of the product of a query and a key.
template <class S>
struct Scores {
  using T = Compute<S>;
  int64_t heads, group, queries, keys;
  T scale;
  bool causal, truth;  ///< truth: the mask is bool
  const void* mask;    ///< or null
  int64_t mask_strides[4];
  T dropout, kept_factor;
  PhiloxPlace philox;

  Scores(const ConstView& q, const ConstView& k, const ConstView& m, const AttentionSettings& settings)
      : heads(q.sizes[1]),
        group(q.sizes[1] / k.sizes[1]),
        queries(q.sizes[2]),
        keys(k.sizes[2]),
        scale(static_cast<T>(settings.scale)),
        causal(settings.causal),
        truth(m.data && m.dtype == ScalarType::Bool),
        mask(m.data),
        dropout(static_cast<T>(settings.dropout)),
        kept_factor(static_cast<T>(1 / (1 - settings.dropout))),
        philox(settings.philox) {
    for (int d = 0; d < 4; ++d) mask_strides[d] = m.data ? m.strides[d] : 0;
  }
  /// The score of a query and a key; minus infinity if it does not see it.
  GPU_INLINE T of(T product, int64_t b, int64_t h, int64_t i, int64_t j) const {
    if (i >= queries || j >= keys || (causal && j > i)) return gpu::lowest<T>;
    T score = product * scale;
    if (!mask) return score;
    const int64_t at = b * mask_strides[0] + h * mask_strides[1] + i * mask_strides[2] + j * mask_strides[3];
    if (truth) return static_cast<const bool*>(mask)[at] ? score : gpu::lowest<T>;
    return score + static_cast<T>(static_cast<const S*>(mask)[at]);
  }
  /// What dropout multiplies a probability with.
  GPU_INLINE T noise(int64_t b, int64_t h, int64_t i, int64_t j) const {
    if (!(dropout > T(0))) return T(1);
    const auto number = static_cast<uint64_t>(((b * heads + h) * queries + i) * keys + j);
    const PhiloxBlock block = fulmen::philox(philox, number / 4, 0);
    const uint32_t low = number & 1 ? block.word[1] : block.word[0], high = number & 1 ? block.word[3] : block.word[2];
    const float unit = static_cast<float>((number & 2 ? high : low) >> 8) * 0x1p-24f;
    return static_cast<T>(unit) >= dropout ? kept_factor : T(0);
  }
  /// Keys that queries before `end` can see.
  GPU_INLINE int64_t keys_for(int64_t end) const { return causal && end < keys ? end : keys; }
};

template <int Columns>
inline constexpr int pitch = 32 * Columns + 1;

/// The block copies rows [first, first + 32) of `x` to shared memory; what is outside becomes 0.
template <int Columns, class T, class S>
GPU_INLINE void load_tile(T* tile, const Operand<S>& x, int64_t b, int64_t h, int64_t first, int64_t rows) {
  for (int r = gpu::warp_index(); r < tile_rows; r += warps) {
    const bool inside = first + r < rows;
    const S* from = x.at(b, h, inside ? first + r : 0);
#pragma unroll
    for (int c = 0; c < Columns; ++c) {
      const int d = c * 32 + gpu::lane_index();
      tile[r * pitch<Columns> + d] = inside && d < x.features ? static_cast<T>(from[d]) : T(0);
    }
  }
}
/// The warp copies its own rows [first, first + Rows), feature by feature.
template <int Rows, class T, class S>
GPU_INLINE void load_own(T* own, const Operand<S>& x, int64_t b, int64_t h, int64_t first, int64_t rows) {
#pragma unroll 1
  for (int r = 0; r < Rows; ++r) {
    const bool inside = first + r < rows;
    const S* from = x.at(b, h, inside ? first + r : 0);
    for (int d = gpu::lane_index(); d < x.features; d += 32)
      own[d * Rows + r] = inside ? static_cast<T>(from[d]) : T(0);
  }
}

/// products[r] = own row r times the lane's row of the tile.
template <int Rows, int Columns, class T>
GPU_INLINE void multiply_rows(T (&products)[Rows], const T* own, const T* tile, int features) {
  constexpr int width = gpu::vec_width<T>;
  static_assert(Rows % width == 0);
#pragma unroll
  for (int r = 0; r < Rows; ++r) products[r] = T(0);
  const T* row = tile + gpu::lane_index() * pitch<Columns>;
#pragma unroll 4
  for (int d = 0; d < features; ++d) {
    const T value = row[d];
#pragma unroll
    for (int part = 0; part < Rows; part += width) {
      const Vec<T, width> of_own = gpu::load_vec<width>(own + d * Rows + part);
#pragma unroll
      for (int r = 0; r < width; ++r) products[part + r] += of_own[r] * value;
    }
  }
}
/// The lane's weights, for add_rows of the whole warp.
template <int Rows, class T>
GPU_INLINE void put_weights(T* weights, const T (&values)[Rows]) {
  constexpr int width = gpu::vec_width<T>;
#pragma unroll
  for (int part = 0; part < Rows; part += width) {
    Vec<T, width> some;
#pragma unroll
    for (int r = 0; r < width; ++r) some[r] = values[part + r];
    gpu::store_vec(weights + gpu::lane_index() * Rows + part, some);
  }
}
/// sums[r][c] += weights (r, j) times feature 32 c + lane of the tile's row j.
template <int Rows, int Columns, class T>
GPU_INLINE void add_rows(T (&sums)[Rows][Columns], const T* weights, const T* tile) {
  constexpr int width = gpu::vec_width<T>;
#pragma unroll 2
  for (int j = 0; j < tile_rows; ++j) {
    T weight[Rows];
#pragma unroll
    for (int part = 0; part < Rows; part += width) {
      const Vec<T, width> some = gpu::load_vec<width>(weights + j * Rows + part);
#pragma unroll
      for (int r = 0; r < width; ++r) weight[part + r] = some[r];
    }
#pragma unroll
    for (int c = 0; c < Columns; ++c) {
      const T value = tile[j * pitch<Columns> + c * 32 + gpu::lane_index()];
#pragma unroll
      for (int r = 0; r < Rows; ++r) sums[r][c] += weight[r] * value;
    }
  }
}
/// Row `row` of x becomes factor * sums.
template <int Columns, class S, class T>
GPU_INLINE void store_row(const Operand<S>& x, int64_t b, int64_t h, int64_t row, const T (&sums)[Columns], T factor) {
  S* to = x.at(b, h, row);
#pragma unroll
  for (int c = 0; c < Columns; ++c) {
    const int d = c * 32 + gpu::lane_index();
    if (d < x.features) to[d] = static_cast<S>(factor * sums[c]);
  }
}

/// Calls f(std::integral_constant<int, Columns>) with what covers that many features.
template <class F>
inline void for_columns(int64_t features, const F& f) {
  if (features <= 64) return f(std::integral_constant<int, 2>());
  if (features <= 128) return f(std::integral_constant<int, 4>());
  f(std::integral_constant<int, 8>());
}

}  // namespace fulmen::cuda::attend
