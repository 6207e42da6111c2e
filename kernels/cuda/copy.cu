// y = x, converted to y's dtype; any strides. Equal dtypes are moved as bits. Bound by memory, the bytes of x and y:
// 16-byte accesses where inner dimensions are dense and the dtypes equal or both floating point; a transposition goes
// through tiles in shared memory, so that both sides are read and written in runs; all else is one element per thread.
#include <fulmen/kernels/copy.h>
#include <fulmen/kernels/cuda/elementwise.h>

namespace fulmen::cuda {

namespace {

using gpu::Kernels;
using gpu::Same;

template <class Y>
Kernels<1> converting_kernels(ScalarType from) {
  if constexpr (!std::is_integral_v<Y>) {
    switch (from) {
      case ScalarType::Half:
        return gpu::kernels_of<Same<Y>, Y, Half>();
      case ScalarType::BFloat16:
        return gpu::kernels_of<Same<Y>, Y, BFloat16>();
      case ScalarType::Float:
        return gpu::kernels_of<Same<Y>, Y, float>();
      case ScalarType::Double:
        return gpu::kernels_of<Same<Y>, Y, double>();
      default:
        break;
    }
  }
  return gpu::scattered_only<Same<Y>, 1>();
}

Kernels<1> converting_kernels(ScalarType to, ScalarType from) {
  switch (to) {
#define X(T, N)       \
  case ScalarType::N: \
    return converting_kernels<T>(from);
    FULMEN_FOR_EACH_DTYPE(X)
#undef X
    default:
      return {};
  }
}

/// y[..., r, ..., c] = x of the same place, where y is dense along c and x along r.
struct Transposition {
  gpu::Places<2> outer;   ///< the other dimensions
  int64_t rows, columns;  ///< sizes along r and c
  int64_t y_stride;       ///< of y along r
  int64_t x_stride;       ///< of x along c
  int64_t tiles_r, tiles_c;
};

template <class T>
inline constexpr int tile_size = sizeof(T) >= 4 ? 32 : 64;
constexpr int tile_threads = 256;

template <class T>
__global__ __launch_bounds__(tile_threads) void copy_transposed(T* y, const T* x, Transposition t) {
  constexpr int side = tile_size<T>, lanes = 32, steps = tile_threads / lanes;
  constexpr int padding = sizeof(T) >= 4 ? 1 : static_cast<int>(4 / sizeof(T));  // columns lie in different banks
  __shared__ T tile[side][side + padding];
  int64_t block = blockIdx.x;
  const int64_t c0 = block % t.tiles_c * side;
  block /= t.tiles_c;
  const int64_t r0 = block % t.tiles_r * side;
  int64_t at[2];
  t.outer.at(block / t.tiles_r, at);
  const int lane = static_cast<int>(threadIdx.x) % lanes, step = static_cast<int>(threadIdx.x) / lanes;
  const T* from = x + at[1] + r0 + c0 * t.x_stride;
  for (int c = step; c < side && c0 + c < t.columns; c += steps) {
    for (int r = lane; r < side && r0 + r < t.rows; r += lanes) tile[c][r] = from[c * t.x_stride + r];
  }
  __syncthreads();
  T* to = y + at[0] + c0 + r0 * t.y_stride;
  for (int r = step; r < side && r0 + r < t.rows; r += steps) {
    for (int c = lane; c < side && c0 + c < t.columns; c += lanes) to[r * t.y_stride + c] = tile[c][r];
  }
}

// The dimension along which x is dense while y is dense along the last one; -1 if there is none.
int transposed_dim(const Layout<2>& layout) {
  const int last = layout.ndim - 1;
  if (last < 1 || layout.strides[0][last] != 1 || layout.strides[1][last] == 1 || layout.strides[1][last] == 0 ||
      layout.sizes[last] < 8) {
    return -1;
  }
  for (int d = 0; d < last; ++d) {
    if (layout.strides[1][d] == 1 && layout.sizes[d] >= 8) return d;
  }
  return -1;
}

template <class T>
void transpose(const Launch& launch, const View& y, const ConstView& x, const Layout<2>& layout, int dim) {
  Layout<2> outer;
  outer.ndim = 0;
  outer.numel = 1;
  for (int d = 0; d + 1 < layout.ndim; ++d) {
    if (d == dim) continue;
    outer.sizes[outer.ndim] = layout.sizes[d];
    for (int k = 0; k < 2; ++k) outer.strides[k][outer.ndim] = layout.strides[k][d];
    ++outer.ndim;
  }
  const int last = layout.ndim - 1;
  constexpr int64_t side = tile_size<T>;
  Transposition t{gpu::Places<2>(outer),
                  layout.sizes[dim],
                  layout.sizes[last],
                  layout.strides[0][dim],
                  layout.strides[1][last],
                  (layout.sizes[dim] + side - 1) / side,
                  (layout.sizes[last] + side - 1) / side};
  GPU_LAUNCH(copy_transposed<T>, gpu::blocks_for(t.outer.items * t.tiles_r * t.tiles_c, 1), tile_threads, 0, launch,
             y.as<T>(), x.as<T>(), t);
}

}  // namespace

// Any strides on both sides; nothing overlaps.
void copy(const Launch& launch, View y, ConstView x) {
  if (y.numel == 0) return;
  if (y.dtype != x.dtype) {
    gpu::run<1>(launch, converting_kernels(y.dtype, x.dtype), is_floating_point(x.dtype), {}, y, {&x});
    return;
  }
  const Layout<2> layout = layout_of<1>(y, {&x});
  const int dim = transposed_dim(layout);
  if (dim < 0) {
    const ConstView bits = gpu::bits_view(x);
    gpu::run<1>(launch, gpu::moving_kernels(y.dtype), true, {}, gpu::bits_view(y), {&bits});
    return;
  }
  switch (gpu::bits_type(y.dtype)) {
#define X(T, N)       \
  case ScalarType::N: \
    return transpose<T>(launch, y, x, layout, dim);
    FULMEN_FOR_EACH_BITS_TYPE(X)
#undef X
    default:
      return;
  }
}

}  // namespace fulmen::cuda
