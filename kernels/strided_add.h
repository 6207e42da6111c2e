#pragma once
#include <fulmen/kernels/kernel.h>

namespace fulmen {

/// Where the elements of a strided view lie in flat memory.
struct StridedPlaces {
  int32_t ndim;
  int64_t offset;
  int64_t sizes[max_dims];
  int64_t strides[max_dims];
};

/// base[offset + sum(i * strides)] += g[i]: base flat and contiguous, g contiguous. Places may repeat; values are added
/// in row-major order of g. Equal dtypes.
KERNEL(add_strided, View base, ConstView g, StridedPlaces places)

}  // namespace fulmen
