#pragma once
#include <cuda_runtime.h>
#include <fulmen/kernels/kernel.h>

#include <limits>
#include <utility>

#if !defined(__CUDACC__) && !defined(FULMEN_GPU_CODE)
#error "gpu.h is for kernel files: nvcc compiles them, or the emulator's CMake function fulmen_emulate()"
#endif

// What every kernel file uses of CUDA, in one spelling for nvcc and for the emulator of tests/emulator: launches,
// dynamic shared memory, wide loads and stores, reductions over a warp and a block. `kernel<<<...>>>`, bare
// `extern __shared__` and inline assembly do not appear in kernel files; assembly is in ptx.h and hopper.h.
namespace fulmen::gpu {

inline constexpr int warp_size = 32;
inline constexpr unsigned all_lanes = 0xffffffffu;

/// GPU_LAUNCH(kernel, grid, block, shared_bytes, stream, arguments...) is kernel<<<grid, block, shared_bytes, stream>>>
/// (arguments...); `stream` is the Launch or a cudaStream_t. Write a template with commas in parentheses:
/// GPU_LAUNCH((softmax_rows<T, 4>), ...). A refused launch is CUDA's last error, which CudaCall::finish() throws.
#define GPU_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
  ::fulmen::gpu::launch(#kernel, kernel, grid, block, shared_bytes, stream __VA_OPT__(, ) __VA_ARGS__)

/// Declares `type* name`: the launch's dynamic shared memory, aligned to 1024 bytes.
#ifdef __CUDACC__
#define GPU_DYNAMIC_SHARED(type, name)                                     \
  extern __shared__ __align__(1024) unsigned char fulmen_dynamic_shared[]; \
  [[maybe_unused]] auto* const name = reinterpret_cast<type*>(fulmen_dynamic_shared)
#else
#define GPU_DYNAMIC_SHARED(type, name) \
  [[maybe_unused]] auto* const name = reinterpret_cast<type*>(::emulator::dynamic_shared())
#endif

inline cudaStream_t stream_of(cudaStream_t stream) { return stream; }
inline cudaStream_t stream_of(const Launch& launch) { return static_cast<cudaStream_t>(launch.stream()); }

/// Beyond 48 KiB of dynamic shared memory a kernel must ask first.
inline constexpr size_t shared_bytes_without_asking = 48 * 1024;

template <class... P, class S, class... A>
inline void launch([[maybe_unused]] const char* name, void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes,
                   const S& stream, A&&... arguments) {
  static_assert(sizeof...(P) == sizeof...(A), "GPU_LAUNCH: the kernel takes another number of arguments");
  if (shared_bytes > shared_bytes_without_asking) {
    cudaError_t error =
        cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(shared_bytes));
    if (error != cudaSuccess) return;
  }
#ifdef __CUDACC__
  kernel<<<grid, block, shared_bytes, stream_of(stream)>>>(static_cast<P>(std::forward<A>(arguments))...);
#else
  ::emulator::launch(name, kernel, grid, block, shared_bytes, stream_of(stream),
                     static_cast<P>(std::forward<A>(arguments))...);
#endif
}

// --- launch shapes

/// The number of blocks of `per_block` elements that cover n, at least 1 and at most `most` (then threads loop).
inline unsigned blocks_for(int64_t n, int64_t per_block, int64_t most = 0x7fffffff) {
  int64_t blocks = (n + per_block - 1) / per_block;
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks > most ? most : blocks);
}
#define GPU_INLINE __device__ FULMEN_INLINE

/// This thread's number in a one-dimensional grid, and the number of threads: for loops over more elements.
GPU_INLINE int64_t thread_index() { return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; }
GPU_INLINE int64_t thread_count() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }

GPU_INLINE int lane_index() { return static_cast<int>(threadIdx.x % warp_size); }
GPU_INLINE int warp_index() { return static_cast<int>(threadIdx.x / warp_size); }

// --- wide memory access

/// N elements that move in one instruction.
template <class T, int N>
struct alignas(sizeof(T) * N) Vec {
  T values[N];
  FULMEN_HD FULMEN_INLINE T& operator[](int i) { return values[i]; }
  FULMEN_HD FULMEN_INLINE const T& operator[](int i) const { return values[i]; }
};
/// Elements of a 16-byte load.
template <class T>
inline constexpr int vec_width = 16 / static_cast<int>(sizeof(T));

/// True if a row that starts at `data`, and every further one `row_stride` elements on, is aligned for Vec<T, N>.
template <int N, class T>
FULMEN_HD FULMEN_INLINE bool aligned_for(const T* data, int64_t row_stride = 0) {
  return reinterpret_cast<uintptr_t>(data) % (sizeof(T) * N) == 0 && row_stride % N == 0;
}

template <int N, class T>
FULMEN_HD FULMEN_INLINE Vec<T, N> load_vec(const T* data) {
  return *reinterpret_cast<const Vec<T, N>*>(data);
}
template <int N, class T>
FULMEN_HD FULMEN_INLINE void store_vec(T* data, const Vec<T, N>& values) {
  *reinterpret_cast<Vec<T, N>*>(data) = values;
}

// --- reductions

struct Sum {
  template <class T>
  FULMEN_HD FULMEN_INLINE T operator()(T a, T b) const {
    return a + b;
  }
};
/// NaN if either is.
struct Max {
  template <class T>
  FULMEN_HD FULMEN_INLINE T operator()(T a, T b) const {
    return a > b || a != a ? a : b;
  }
};
/// NaN if either is.
struct Min {
  template <class T>
  FULMEN_HD FULMEN_INLINE T operator()(T a, T b) const {
    return a < b || a != a ? a : b;
  }
};

/// The value of lane (own lane ^ lane_mask); of any trivially copyable type. Every lane of the warp calls it.
template <class T>
GPU_INLINE T shuffle_xor(T value, int lane_mask) {
  if constexpr (std::is_arithmetic_v<T> && sizeof(T) >= 4) {
    return __shfl_xor_sync(all_lanes, value, lane_mask);
  } else {
    constexpr int words = (sizeof(T) + 3) / 4;
    uint32_t bits[words] = {};
    __builtin_memcpy(bits, &value, sizeof(T));
    for (int i = 0; i < words; ++i) bits[i] = __shfl_xor_sync(all_lanes, bits[i], lane_mask);
    __builtin_memcpy(&value, bits, sizeof(T));
    return value;
  }
}

/// `op` over groups of Width neighbouring lanes (a power of two); every lane gets its group's result. The order is
/// fixed; op is commutative. Every lane of the warp calls it.
template <int Width = warp_size, class T, class Op>
GPU_INLINE T warp_reduce(T value, Op op) {
#pragma unroll
  for (int lanes = Width / 2; lanes > 0; lanes /= 2) value = op(value, shuffle_xor(value, lanes));
  return value;
}
template <int Width = warp_size, class T>
GPU_INLINE T warp_sum(T value) {
  return warp_reduce<Width>(value, Sum{});
}
template <int Width = warp_size, class T>
GPU_INLINE T warp_max(T value) {
  return warp_reduce<Width>(value, Max{});
}
template <int Width = warp_size, class T>
GPU_INLINE T warp_min(T value) {
  return warp_reduce<Width>(value, Min{});
}

/// `op` over a one-dimensional block whose size is a multiple of 32; every thread gets the result. `identity` does not
/// change the other operand of op. The order depends on the block's size only. Every thread of the block calls it.
template <class T, class Op>
GPU_INLINE T block_reduce(T value, Op op, T identity) {
  __shared__ T partial[warp_size];
  value = warp_reduce(value, op);
  if (blockDim.x == warp_size) return value;
  if (lane_index() == 0) partial[warp_index()] = value;
  __syncthreads();
  value = lane_index() < static_cast<int>(blockDim.x / warp_size) ? partial[lane_index()] : identity;
  value = warp_reduce(value, op);
  __syncthreads();  // `partial` may be written again
  return value;
}
template <class T>
GPU_INLINE T block_sum(T value) {
  return block_reduce(value, Sum{}, T(0));
}
/// Not above any number of T: minus infinity where there is one.
template <class T>
inline constexpr T lowest = std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity()
                                                                 : std::numeric_limits<T>::lowest();
/// Not below any number of T.
template <class T>
inline constexpr T highest = std::numeric_limits<T>::has_infinity ? std::numeric_limits<T>::infinity()
                                                                  : std::numeric_limits<T>::max();

template <class T>
GPU_INLINE T block_max(T value) {
  return block_reduce(value, Max{}, lowest<T>);
}
template <class T>
GPU_INLINE T block_min(T value) {
  return block_reduce(value, Min{}, highest<T>);
}

}  // namespace fulmen::gpu
