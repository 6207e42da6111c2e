#pragma once
#include <fulmen/kernels/cuda.h>
#include <fulmen/kernels/cuda/gpu.h>
#include <fulmen/kernels/gemm_activation.h>

// What all the matrix product kernels share: the description of a batch of products, which tile a block computes, and
// what happens to a finished sum.
namespace fulmen::cuda {

/// Strides in elements of a, b or add: of the last two dimensions and of the batch dimensions.
struct GemmStrides {
  int64_t row, col;
  int64_t batch[max_dims - 2];
};

/// c[n] = activation(alpha a[n] b[n] + beta add[n]) for n in [0, batches); c is row-major without gaps. A kernel
/// parameter.
struct GemmProblem {
  int64_t rows, cols, depth, batches;
  const void *a, *b, *add;  ///< add may be null
  void* c;
  GemmStrides a_strides, b_strides, add_strides;
  int64_t batch_sizes[max_dims - 2];
  int batch_dims;  ///< neighbouring dimensions are merged, so mostly 0 or 1
  double alpha, beta;
  GemmActivation activation;
  void* a_sums;               ///< [rows] or null: sums of a along the depth
  bool a_aligned, b_aligned;  ///< reads_in_vectors of the operands, for kernels that ask

  // How it is cut into blocks (cut_into_tiles).
  int row_tiles, col_tiles, products;  ///< of one product; `products` is `batches`: the grid limits both to 31 bits
  int splits;                          ///< blocks that share the depth of one tile
  int64_t split_depth;                 ///< what each of them sums, the last one less
  void* partial;  ///< [splits, batches, rows, cols] sums of the accumulation type, if splits > 1; then [splits, rows]
};

/// True if an operand's rows (or columns) can be read in aligned pieces of 16 bytes. `along`: the stride within a
/// piece; `across`: the other one.
template <class T>
inline bool reads_in_vectors(const GemmProblem& p, const void* data, const GemmStrides& strides, int64_t along,
                             int64_t across) {
  constexpr int width = gpu::vec_width<T>;
  bool aligned = along == 1 && gpu::aligned_for<width>(static_cast<const T*>(data), across);
  for (int d = 0; d < p.batch_dims; ++d) aligned = aligned && strides.batch[d] % width == 0;
  return aligned;
}

/// True if neighbouring elements along the depth are closer in memory than those across it: how threads should read.
inline bool runs_along_depth(int64_t depth_stride, int64_t other_stride, int64_t depth, int64_t other) {
  if (other == 1) return true;
  return depth > 1 && depth_stride < other_stride;
}

/// Products with few tiles but much depth share the depth among blocks. The number of parts follows from sizes alone,
/// so that results do not depend on the device.
inline void cut_into_tiles(GemmProblem& p, int64_t tile_rows, int64_t tile_cols, int64_t step, int64_t least_depth) {
  constexpr int64_t enough_blocks = 256;
  p.row_tiles = static_cast<int>((p.rows + tile_rows - 1) / tile_rows);
  p.col_tiles = static_cast<int>((p.cols + tile_cols - 1) / tile_cols);
  p.products = static_cast<int>(p.batches);
  int64_t blocks = p.batches * p.row_tiles * p.col_tiles;
  int64_t splits = blocks >= enough_blocks / 2 ? 1 : enough_blocks / blocks;
  if (splits > p.depth / least_depth) splits = p.depth / least_depth;
  const int64_t least_splits = (p.depth >> 30) + 1;  // a block counts its steps in 32 bits
  if (splits < least_splits) splits = least_splits;
  p.split_depth = ((p.depth + splits - 1) / splits + step - 1) / step * step;
  p.splits = p.depth == 0 ? 1 : static_cast<int>((p.depth + p.split_depth - 1) / p.split_depth);
  p.partial = nullptr;
}
inline size_t partial_elements(const GemmProblem& p) {
  return p.splits > 1 ? static_cast<size_t>(p.splits * p.rows * (p.batches * p.cols + (p.a_sums ? 1 : 0))) : 0;
}
inline unsigned gemm_blocks(const GemmProblem& p) {
  return static_cast<unsigned>(p.batches * p.row_tiles * p.col_tiles * p.splits);
}

/// What one block computes: a tile of c of one product, over a part of the depth. Small, for it stays in registers.
struct GemmTile {
  int row, col;  ///< counted in tiles
  int batch, split;
};

/// Neighbouring blocks compute groups of 8 tiles of one column, so that they find each other's operands in the cache.
GPU_INLINE GemmTile tile_of_block(const GemmProblem& p) {
  int block = static_cast<int>(blockIdx.x), tiles = p.row_tiles * p.col_tiles, group_tiles = 8 * p.col_tiles;
  int tile = block % tiles, rest = block / tiles;
  int group = tile / group_tiles, within = tile % group_tiles;
  int height = p.row_tiles - group * 8 < 8 ? p.row_tiles - group * 8 : 8;
  return {group * 8 + within % height, within / height, rest % p.products, rest / p.products};
}
/// Where the depth of a split begins and ends.
GPU_INLINE int64_t depth_begin(const GemmProblem& p, int split) { return split * p.split_depth; }
GPU_INLINE int64_t depth_end(const GemmProblem& p, int split) {
  int64_t end = (split + 1) * p.split_depth;
  return end < p.depth ? end : p.depth;
}

/// Offset in elements of product `n` of an operand.
FULMEN_HD FULMEN_INLINE int64_t batch_offset(const GemmProblem& p, const GemmStrides& strides, int64_t n) {
  int64_t offset = 0;
  for (int d = p.batch_dims - 1; d >= 0; --d) {
    offset += n % p.batch_sizes[d] * strides.batch[d];
    n /= p.batch_sizes[d];
  }
  return offset;
}

/// Offset of a tile's first element in a, and in b.
GPU_INLINE int64_t a_offset(const GemmProblem& p, const GemmTile& tile, int tile_rows) {
  return batch_offset(p, p.a_strides, tile.batch) + int64_t{tile.row} * tile_rows * p.a_strides.row +
         depth_begin(p, tile.split) * p.a_strides.col;
}
GPU_INLINE int64_t b_offset(const GemmProblem& p, const GemmTile& tile, int tile_cols) {
  return batch_offset(p, p.b_strides, tile.batch) + int64_t{tile.col} * tile_cols * p.b_strides.col +
         depth_begin(p, tile.split) * p.b_strides.row;
}

/// A factor in the type of the sums. Integers wrap: unsigned arithmetic gives the right low bits.
template <class T>
GPU_INLINE T gemm_factor(double x) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<int64_t>(x));
  } else {
    return static_cast<T>(x);
  }
}

/// Where the sums of one product go. S is the type in memory, T that of the sums.
template <class S, class T>
struct GemmResult {
  S* c;
  const S* add;
  T* partial;
  int64_t rows, cols, add_row, add_col;
  T alpha, beta;
  GemmActivation activation;

  GPU_INLINE GemmResult(const GemmProblem& p, int64_t batch, int split)
      : c(static_cast<S*>(p.c) + batch * p.rows * p.cols),
        add(p.add ? static_cast<const S*>(p.add) + batch_offset(p, p.add_strides, batch) : nullptr),
        partial(p.splits > 1 ? static_cast<T*>(p.partial) + (split * p.batches + batch) * p.rows * p.cols : nullptr),
        rows(p.rows),
        cols(p.cols),
        add_row(p.add_strides.row),
        add_col(p.add_strides.col),
        alpha(gemm_factor<T>(p.alpha)),
        beta(gemm_factor<T>(p.beta)),
        activation(p.activation) {}

  /// The sums of columns j ... j + N - 1 of row i; those outside of the product are dropped.
  template <int N>
  GPU_INLINE void put(int64_t i, int64_t j, const T (&sums)[N]) const {
    if (i >= rows) return;
    if (partial) return put_row<N>(partial + i * cols, j, sums);
    T values[N];
#pragma unroll
    for (int n = 0; n < N; ++n) values[n] = alpha * sums[n];
    if (add) add_to<N>(values, add + i * add_row, j);
    if constexpr (!std::is_integral_v<T>) {
      with_activation(activation, [&](auto functor) {
#pragma unroll
        for (int n = 0; n < N; ++n) values[n] = functor.apply(values[n]);
      });
    }
    put_row<N>(c + i * cols, j, values);
  }

 private:
  template <int N>
  GPU_INLINE void add_to(T (&values)[N], const S* row, int64_t j) const {
    if (add_col == 1 && j + N <= cols && gpu::aligned_for<N>(row + j)) {
      const gpu::Vec<S, N> more = gpu::load_vec<N>(row + j);
#pragma unroll
      for (int n = 0; n < N; ++n) values[n] += beta * static_cast<T>(more[n]);
    } else {
#pragma unroll
      for (int n = 0; n < N; ++n) {
        if (j + n < cols) values[n] += beta * static_cast<T>(row[(j + n) * add_col]);
      }
    }
  }
  template <int N, class V>
  GPU_INLINE void put_row(V* row, int64_t j, const T (&values)[N]) const {
    if (j + N <= cols && gpu::aligned_for<N>(row + j)) {
      gpu::Vec<V, N> stored;
#pragma unroll
      for (int n = 0; n < N; ++n) stored[n] = static_cast<V>(values[n]);
      gpu::store_vec(row + j, stored);
    } else {
#pragma unroll
      for (int n = 0; n < N; ++n) {
        if (j + n < cols) row[j + n] = static_cast<V>(values[n]);
      }
    }
  }
};

/// Sums of a beside the product are for kernels with tiles up to this height; larger ones have no registers left.
inline constexpr int sums_a_rows = 64;
/// Whether a thread of a block adds up a row of a: the first threads of blocks of the first column of tiles do.
GPU_INLINE bool sums_a_row(const GemmProblem& p, const GemmTile& tile, int tile_rows) {
  return p.a_sums && tile.col == 0 && static_cast<int>(threadIdx.x) < tile_rows;
}
/// Stores the sum that such a thread has.
template <class S, class T>
GPU_INLINE void put_row_sum(const GemmProblem& p, const GemmTile& tile, int tile_rows, T sum) {
  const int64_t row = int64_t{tile.row} * tile_rows + threadIdx.x;
  if (row >= p.rows) return;
  if (p.splits > 1) {
    (static_cast<T*>(p.partial) + p.splits * p.batches * p.rows * p.cols)[tile.split * p.rows + row] = sum;
  } else {
    static_cast<S*>(p.a_sums)[row] = static_cast<S>(sum);
  }
}

/// Adds up the parts of a product whose depth was shared, in the order of the depth: one thread per element of c.
template <class S, class T>
__global__ void __launch_bounds__(256) sum_of_splits(const GemmProblem p) {
  int64_t elements = p.rows * p.cols, total = p.batches * elements;
  for (int64_t e = gpu::thread_index(); e < total; e += gpu::thread_count()) {
    T sum[1] = {};
    for (int s = 0; s < p.splits; ++s) sum[0] += static_cast<const T*>(p.partial)[s * total + e];
    int64_t batch = e / elements, i = e % elements / p.cols, j = e % p.cols;
    GemmResult<S, T> result(p, batch, 0);
    result.partial = nullptr;
    result.put(i, j, sum);
  }
  if (p.a_sums == nullptr) return;
  for (int64_t row = gpu::thread_index(); row < p.rows; row += gpu::thread_count()) {
    T sum{};
    for (int s = 0; s < p.splits; ++s) sum += (static_cast<const T*>(p.partial) + p.splits * total)[s * p.rows + row];
    static_cast<S*>(p.a_sums)[row] = static_cast<S>(sum);
  }
}

/// From how many large tiles on they are worth their idle last wave: about one per processor.
inline constexpr int64_t enough_large_tiles = 96;

/// Runs `kernel`, and what adds up its parts.
template <class S, class T, class... More>
inline void launch_tiles(const Launch& launch, GemmProblem p, void (*kernel)(GemmProblem, More...), int threads,
                         size_t shared_bytes, const More&... more) {
  const Workspace parts(launch, partial_elements(p) * sizeof(T));
  p.partial = parts.data();
  GPU_LAUNCH(kernel, gemm_blocks(p), threads, shared_bytes, launch, p, more...);
  if (p.splits > 1) {
    GPU_LAUNCH((sum_of_splits<S, T>), gpu::blocks_for(p.batches * p.rows * p.cols, 256, 4096), 256, 0, launch, p);
  }
}

/// The products of one type, each in its own file. They choose the tiles.
void gemm_of_floats(const Launch& launch, GemmProblem p);
/// float, rounded to TF32.
void gemm_of_tf32(const Launch& launch, GemmProblem p);
void gemm_of_doubles(const Launch& launch, GemmProblem p);
/// uint8 to int64.
void gemm_of_integers(const Launch& launch, GemmProblem p, ScalarType dtype);
/// float16 and bfloat16.
void gemm_of_halves(const Launch& launch, GemmProblem p, ScalarType dtype);
/// Large ones of these on compute capability 9.0; false if device or operands do not allow it. `a_depth`, `b_depth`:
/// whether the contiguous dimension is the depth.
bool gemm_on_copy_engine(const Launch& launch, const GemmProblem& p, ScalarType dtype, bool a_depth, bool b_depth);
/// Floating-point products by cuBLASLt; false if it has none for these layouts, or is not there. `demanded`: throw if
/// it is not there. `tf32`: operands of float may be rounded.
bool gemm_on_cublas(const Launch& launch, const GemmProblem& p, ScalarType dtype, bool tf32, bool demanded);

}  // namespace fulmen::cuda
