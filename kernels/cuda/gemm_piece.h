#pragma once
#include <fulmen/kernels/cuda/gemm_problem.h>

// How sums get from the registers in which the matrix units leave them (2 neighbours of 8 columns per thread) to rows
// of c: a warp lays 16 x 32 of them into shared memory and takes them up again by rows, 4 neighbours per thread, so
// that a row of float16 is stored in pieces of 64 bytes, one of float in pieces of 128. What happens to a sum on the
// way (GemmResult) is one loop, not code for every register.
namespace fulmen::cuda {

inline constexpr int piece_rows = 16, piece_cols = 32;
/// Floats from one row to the next: 8 more than used, so that the 4 rows that 16 threads write lie in different banks.
inline constexpr int piece_pitch = piece_cols + 8;
inline constexpr int piece_bytes = piece_rows * piece_pitch * 4;

/// Stores the sums of one warp from (row, col) of c on; sums[j] is what the matrix units call d, of columns 8 j to
/// 8 j + 7. `piece`: piece_bytes of shared memory of this warp.
template <class Result>
GPU_INLINE void put_piece(const Result& result, float* piece, int64_t row, int64_t col,
                          const float (&sums)[piece_cols / 8][4]) {
  const int lane = gpu::lane_index();
  __syncwarp();  // the piece before this one has been read
#pragma unroll
  for (int j = 0; j < piece_cols / 8; ++j) {
    float* place = piece + lane / 4 * piece_pitch + j * 8 + lane % 4 * 2;
    gpu::store_vec(place, gpu::Vec<float, 2>{{sums[j][0], sums[j][1]}});
    gpu::store_vec(place + 8 * piece_pitch, gpu::Vec<float, 2>{{sums[j][2], sums[j][3]}});
  }
  __syncwarp();
  const int first = gpu::lane_index() / 8, column = gpu::lane_index() % 8 * 4;
#pragma unroll 1
  for (int r = first; r < piece_rows; r += 4) {
    const gpu::Vec<float, 4> four = gpu::load_vec<4>(piece + r * piece_pitch + column);
    result.put(row + r, col + column, four.values);
  }
}

}  // namespace fulmen::cuda
