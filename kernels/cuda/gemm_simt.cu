#include <fulmen/kernels/cuda/gemm_simt.cuh>

// Products of the types without matrix instructions of their own: double, and integers, whose sums are unsigned words
// that wrap around as the results do.
namespace fulmen::cuda {

namespace {

using Tile = SimtTile<64, 64, 16, 8>;

template <class S, class T>
void launch_any(const Launch& launch, GemmProblem& p) {
  const GemmStrides &a = p.a_strides, &b = p.b_strides;
  cut_into_tiles(p, Tile::rows, Tile::cols, Tile::depth, 256);
  if constexpr (std::is_integral_v<S>) {
    launch_tiles<S, T>(launch, p, gemm_simt<S, T, Tile, true, false, 1, 1>, Tile::threads,
                       Tile::template shared_bytes<T>);
  } else {
    launch_simt<S, T, Tile, 1>(launch, p, runs_along_depth(a.col, a.row, p.depth, p.rows),
                               runs_along_depth(b.row, b.col, p.depth, p.cols));
  }
}

}  // namespace

void gemm_of_doubles(const Launch& launch, GemmProblem p) { launch_any<double, double>(launch, p); }

void gemm_of_integers(const Launch& launch, GemmProblem p, ScalarType dtype) {
  switch (dtype) {
    case ScalarType::Byte:
      return launch_any<uint8_t, uint32_t>(launch, p);
    case ScalarType::Char:
      return launch_any<int8_t, uint32_t>(launch, p);
    case ScalarType::Short:
      return launch_any<int16_t, uint32_t>(launch, p);
    case ScalarType::Int:
      return launch_any<int32_t, uint32_t>(launch, p);
    case ScalarType::Long:
      return launch_any<int64_t, uint64_t>(launch, p);
    default:
      return;
  }
}

}  // namespace fulmen::cuda
