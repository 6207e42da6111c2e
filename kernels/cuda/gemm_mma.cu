#include <fulmen/kernels/cuda/gemm_mma.cuh>

// Products of float16 and bfloat16: chooses the tile and the variant for the operands' layouts.
namespace fulmen::cuda {

namespace {

using LargeTile = MmaTile<128, 128, 64, 32>;
using SmallTile = MmaTile<64, 64, 32, 32>;

template <class S, class Tile>
void launch_mma(const Launch& launch, GemmProblem& p, bool a_depth, bool b_depth) {
  using Kernel = void (*)(GemmProblem);
  static constexpr Kernel kernels[4] = {gemm_mma<S, Tile, false, false>, gemm_mma<S, Tile, false, true>,
                                        gemm_mma<S, Tile, true, false>, gemm_mma<S, Tile, true, true>};
  cut_into_tiles(p, Tile::rows, Tile::cols, Tile::depth, 512);
  launch_tiles<S, float>(launch, p, kernels[2 * a_depth + b_depth], Tile::threads, Tile::stages * Tile::stage_bytes);
}

template <class S>
void products(const Launch& launch, GemmProblem& p, ScalarType dtype) {
  const GemmStrides &a = p.a_strides, &b = p.b_strides;
  bool a_depth = runs_along_depth(a.col, a.row, p.depth, p.rows);
  bool b_depth = runs_along_depth(b.row, b.col, p.depth, p.cols);
  p.a_aligned = reads_in_vectors<S>(p, p.a, a, a_depth ? a.col : a.row, a_depth ? a.row : a.col);
  p.b_aligned = reads_in_vectors<S>(p, p.b, b, b_depth ? b.row : b.col, b_depth ? b.col : b.row);
  int64_t large_tiles = (p.rows / LargeTile::rows) * (p.cols / LargeTile::cols) * p.batches;
  if (large_tiles >= enough_large_tiles) {
    if (gemm_on_copy_engine(launch, p, dtype, a_depth, b_depth)) return;
    launch_mma<S, LargeTile>(launch, p, a_depth, b_depth);
  } else {
    launch_mma<S, SmallTile>(launch, p, a_depth, b_depth);
  }
}

}  // namespace

void gemm_of_halves(const Launch& launch, GemmProblem p, ScalarType dtype) {
  if (dtype == ScalarType::Half) return products<Half>(launch, p, dtype);
  products<BFloat16>(launch, p, dtype);
}

}  // namespace fulmen::cuda
