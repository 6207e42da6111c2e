#pragma once
#include <fulmen/kernels/dtype.h>

// FULMEN_GEMM=auto: which products go to cuBLASLt.
namespace fulmen::cuda {

/// Products that cuBLASLt was measured to compute in less time than our own kernels.
struct FasterInCublas {
  ScalarType dtype;
  bool tf32;
  int capability;           ///< of the device: 80, 90
  double least, less_than;  ///< multiply-adds: rows * cols * depth * batches
};

/// One row per range of a table in bench/results/ in which cuBLASLt is ahead. Nothing has been measured on a GPU yet,
/// so there is no row (the first one only ends the list), and auto means own.
inline constexpr FasterInCublas faster_in_cublas[] = {{ScalarType::Undefined, false, 0, 0, 0}};

inline bool cublas_is_faster(ScalarType dtype, bool tf32, int capability, double multiply_adds) {
  for (const FasterInCublas& row : faster_in_cublas) {
    if (row.dtype == dtype && row.tf32 == tf32 && row.capability == capability && row.least <= multiply_adds &&
        multiply_adds < row.less_than) {
      return true;
    }
  }
  return false;
}

}  // namespace fulmen::cuda
