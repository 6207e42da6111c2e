#include <fulmen/kernels/cuda/gemm_thin.h>

// Products of a matrix with at most 8 vectors: a layer applied to one sample, or to a few. c = a b is such a product if
// a has few rows (then b's columns are the rows of the matrix) or b has few columns (then a is the matrix), and if the
// matrix is contiguous along the depth.
//
// A warp computes 4 rows of the matrix times all vectors. Its lanes walk along the depth in pieces of 16 bytes: 4 loads
// of the matrix, which no other warp needs, and one of each vector, which all need and find in the cache. Sums are
// float; at the end the lanes' parts are added up in a fixed order. Where rows are not aligned, pieces are single
// elements, and vectors may have any strides.
//
// Operands of float stay as they are where TF32 is allowed: these products would gain nothing by it.
//
// Cost: the matrix is read once, which is what it takes; 4 loads per lane are on their way at a time. A tile of 64 x 64
// would spend 56 of 64 rows on nothing, and share the depth of few tiles among blocks.
namespace fulmen::cuda {

namespace {

constexpr int most_vectors = 8, warp_rows = 4, block_warps = 2;
/// With fewer rows of the matrix, or less depth, there are too few warps, and too little to do for each.
constexpr int64_t least_rows = 128, least_depth = 32;

/// The product as matrix times vectors: strides across and along the depth, in elements.
struct ThinProblem {
  bool matrix_is_a;
  int vectors;
  int64_t rows, groups;  ///< of the matrix; groups of warp_rows
  int64_t matrix_across, matrix_along, vector_across, vector_along;
};

/// Adds up what the lanes have, and stores it: lane k the results of vector k.
template <class S, int K>
GPU_INLINE void put_thin(const GemmProblem& p, const ThinProblem& thin, int64_t batch, int64_t first,
                         const float (&sums)[warp_rows][K]) {
  const GemmResult<S, float> result(p, batch, 0);
#pragma unroll
  for (int k = 0; k < K; ++k) {
    float four[warp_rows];
#pragma unroll
    for (int r = 0; r < warp_rows; ++r) four[r] = gpu::warp_sum(sums[r][k]);
    if (gpu::lane_index() != k || k >= thin.vectors) continue;
    if (!thin.matrix_is_a) {
      result.put(k, first, four);
      continue;
    }
#pragma unroll
    for (int r = 0; r < warp_rows; ++r) {
      const float one[1] = {four[r]};
      result.put(first + r, k, one);
    }
  }
}

/// K: vectors at most. V: elements of a piece.
template <class S, int K, int V>
__global__ void __launch_bounds__(block_warps* gpu::warp_size, 8)
    gemm_thin(const GemmProblem p, const ThinProblem thin) {
  const int64_t warp = int64_t{blockIdx.x} * block_warps + gpu::warp_index();
  if (warp >= thin.groups * p.batches) return;
  const int64_t batch = warp / thin.groups, first = warp % thin.groups * warp_rows;
  const int lane = gpu::lane_index();
  const S* a = static_cast<const S*>(p.a) + batch_offset(p, p.a_strides, batch);
  const S* b = static_cast<const S*>(p.b) + batch_offset(p, p.b_strides, batch);
  const S* vectors = thin.matrix_is_a ? b : a;
  const S* rows[warp_rows];
#pragma unroll
  for (int r = 0; r < warp_rows; ++r) {  // beyond the last one: the last one again
    const int64_t row = first + r < thin.rows ? first + r : thin.rows - 1;
    rows[r] = (thin.matrix_is_a ? a : b) + row * thin.matrix_across;
  }

  float sums[warp_rows][K] = {};
  const int64_t pieces = p.depth / V;
  for (int64_t i = lane; i < pieces; i += gpu::warp_size) {
    gpu::Vec<S, V> of_matrix[warp_rows];
#pragma unroll
    for (int r = 0; r < warp_rows; ++r) of_matrix[r] = gpu::load_vec<V>(rows[r] + i * (V == 1 ? thin.matrix_along : V));
#pragma unroll
    for (int k = 0; k < K; ++k) {
      if (k >= thin.vectors) break;
      const auto x = gpu::load_vec<V>(vectors + k * thin.vector_across + i * (V == 1 ? thin.vector_along : V));
#pragma unroll
      for (int r = 0; r < warp_rows; ++r) {
#pragma unroll
        for (int v = 0; v < V; ++v) {
          sums[r][k] += static_cast<float>(of_matrix[r][v]) * static_cast<float>(x[v]);
        }
      }
    }
  }
  if constexpr (V > 1) {  // what is left of the depth, less than a piece
    const int64_t d = pieces * V + lane;
    if (d < p.depth) {
#pragma unroll
      for (int k = 0; k < K; ++k) {
        if (k >= thin.vectors) break;
        const auto x = static_cast<float>(vectors[k * thin.vector_across + d]);
#pragma unroll
        for (int r = 0; r < warp_rows; ++r) sums[r][k] += static_cast<float>(rows[r][d]) * x;
      }
    }
  }

  put_thin<S>(p, thin, batch, first, sums);
}

template <class S, int V>
void launch_thin(const Launch& launch, const GemmProblem& p, const ThinProblem& thin) {
  const int64_t warps = thin.groups * p.batches;
  const auto blocks = static_cast<unsigned>((warps + block_warps - 1) / block_warps);
  auto kernel = gemm_thin<S, most_vectors, V>;
  if constexpr (V > 1) {  // single elements are slow for any number of vectors
    if (thin.vectors <= 4) kernel = thin.vectors == 1 ? gemm_thin<S, 1, V> : gemm_thin<S, 4, V>;
  }
  GPU_LAUNCH(kernel, blocks, block_warps * gpu::warp_size, 0, launch, p, thin);
}

template <class S>
bool run(const Launch& launch, const GemmProblem& p, const ThinProblem& thin) {
  const void *matrix = thin.matrix_is_a ? p.a : p.b, *vectors = thin.matrix_is_a ? p.b : p.a;
  const GemmStrides &of_matrix = thin.matrix_is_a ? p.a_strides : p.b_strides,
                    &of_vectors = thin.matrix_is_a ? p.b_strides : p.a_strides;
  // A stride across a single vector is never taken.
  const int64_t across = thin.vectors == 1 ? 0 : thin.vector_across;
  if (reads_in_vectors<S>(p, matrix, of_matrix, thin.matrix_along, thin.matrix_across) &&
      reads_in_vectors<S>(p, vectors, of_vectors, thin.vector_along, across)) {
    launch_thin<S, gpu::vec_width<S>>(launch, p, thin);
  } else {
    launch_thin<S, 1>(launch, p, thin);
  }
  return true;
}

}  // namespace

bool gemm_of_few(const Launch& launch, const GemmProblem& problem, ScalarType dtype) {
  GemmProblem p = problem;
  const GemmStrides &a = p.a_strides, &b = p.b_strides;
  if (p.a_sums || p.depth < least_depth) return false;
  ThinProblem thin{};
  thin.matrix_is_a = p.cols < p.rows;
  thin.rows = thin.matrix_is_a ? p.rows : p.cols;
  const int64_t vectors = thin.matrix_is_a ? p.cols : p.rows;
  if (vectors > most_vectors || thin.rows < least_rows) return false;
  thin.vectors = static_cast<int>(vectors);
  thin.groups = (thin.rows + warp_rows - 1) / warp_rows;
  if (thin.groups * p.batches > 0x7fffffff) return false;
  thin.matrix_across = thin.matrix_is_a ? a.row : b.col, thin.matrix_along = thin.matrix_is_a ? a.col : b.row;
  thin.vector_across = thin.matrix_is_a ? b.col : a.row, thin.vector_along = thin.matrix_is_a ? b.row : a.col;
  if (!runs_along_depth(thin.matrix_along, thin.matrix_across, p.depth, thin.rows)) return false;
  p.splits = 1;
  switch (dtype) {
    case ScalarType::Float:
      return run<float>(launch, p, thin);
    case ScalarType::Half:
      return run<Half>(launch, p, thin);
    case ScalarType::BFloat16:
      return run<BFloat16>(launch, p, thin);
    default:
      return false;
  }
}

}  // namespace fulmen::cuda
