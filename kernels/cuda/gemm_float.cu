#include <fulmen/kernels/cuda/gemm_simt.cuh>

// Products of float, summed in float: tiles of 128 x 128 where there are enough of them, 64 x 64 otherwise.
namespace fulmen::cuda {

namespace {

using LargeTile = SimtTile<128, 128, 8, 2>;
using SmallTile = SimtTile<64, 64, 16, 8>;

template <class Tile>
void launch_float(const Launch& launch, GemmProblem& p, bool vectors, bool a_depth, bool b_depth) {
  cut_into_tiles(p, Tile::rows, Tile::cols, Tile::depth, 256);
  if (vectors) {
    launch_simt<float, float, Tile, 4>(launch, p, a_depth, b_depth);
  } else {
    launch_simt<float, float, Tile, 1>(launch, p, a_depth, b_depth);
  }
}

}  // namespace

void gemm_of_floats(const Launch& launch, GemmProblem p) {
  const GemmStrides &a = p.a_strides, &b = p.b_strides;
  bool a_depth = runs_along_depth(a.col, a.row, p.depth, p.rows);
  bool b_depth = runs_along_depth(b.row, b.col, p.depth, p.cols);
  // Pieces of 4 floats lie inside or outside as a whole, so the operands' extents must allow them as well.
  bool vectors = reads_in_vectors<float>(p, p.a, a, a_depth ? a.col : a.row, a_depth ? a.row : a.col) &&
                 reads_in_vectors<float>(p, p.b, b, b_depth ? b.row : b.col, b_depth ? b.col : b.row) &&
                 (a_depth ? p.depth : p.rows) % 4 == 0 && (b_depth ? p.depth : p.cols) % 4 == 0;
  int64_t large_tiles = (p.rows / 128) * (p.cols / 128) * p.batches;
  if (large_tiles >= enough_large_tiles && !p.a_sums) {
    launch_float<LargeTile>(launch, p, vectors, a_depth, b_depth);
  } else {
    launch_float<SmallTile>(launch, p, vectors, a_depth, b_depth);
  }
}

}  // namespace fulmen::cuda
