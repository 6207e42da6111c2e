#pragma once
#include <cuda.h>
#include <fulmen/kernels/cuda/ptx.h>

// PTX of compute capability 9.0: barriers in shared memory that count bytes, and the copy engine (TMA) that moves boxes
// of tensors. wgmma.h has the matrix products. A kernel that uses these has its body under #if GPU_HOPPER_CODE, and is
// launched only where Processor::capability is 90 and has_hopper_code.
#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define GPU_HOPPER_CODE 1
#else
#define GPU_HOPPER_CODE 0
#endif

namespace fulmen::ptx {

/// Whether the build holds such bodies at all. Without 9.0a among the architectures they are empty, also on a device of
/// capability 9.0: cmake/cuda.cmake defines FULMEN_SM90A where it is among them.
#if defined(FULMEN_SM90A) || !defined(__CUDACC__)
inline constexpr bool has_hopper_code = true;
#else
inline constexpr bool has_hopper_code = false;
#endif

// --- mbarrier: 64 bits of shared memory, aligned to 8, `__shared__ uint64_t full[stages]`

/// One thread: the barrier's phase ends when `count` arrivals and all expected bytes have come. Then
/// mbarrier_fence_init() and a barrier of the block, before anyone uses it.
GPU_INLINE void mbarrier_init(uint64_t* barrier, int count PTX_CALLER) {
#ifdef __CUDACC__
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(count) : "memory");
#else
  ::emulator::mbarrier_init(barrier, count, PTX_SITE("mbarrier.init"));
#endif
}
/// Makes initialised barriers visible to the copy engine.
GPU_INLINE void mbarrier_fence_init() {
#ifdef __CUDACC__
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#endif
}
/// One arrival.
GPU_INLINE void mbarrier_arrive(uint64_t* barrier PTX_CALLER) {
#ifdef __CUDACC__
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
#else
  ::emulator::mbarrier_arrive(barrier, 0, PTX_SITE("mbarrier.arrive"));
#endif
}
/// One arrival that also announces `bytes` which copies will bring in this phase.
GPU_INLINE void mbarrier_expect(uint64_t* barrier, int bytes PTX_CALLER) {
#ifdef __CUDACC__
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes)
               : "memory");
#else
  ::emulator::mbarrier_arrive(barrier, bytes, PTX_SITE("mbarrier.arrive.expect_tx"));
#endif
}
/// True if the phase of this parity has ended: phases count 0, 1, 0, ... from the first.
GPU_INLINE bool mbarrier_try(uint64_t* barrier, int parity PTX_CALLER) {
#ifdef __CUDACC__
  uint32_t ended;
  asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.b32 %0, 1, 0, p;\n}"
               : "=r"(ended)
               : "r"(shared_address(barrier)), "r"(parity)
               : "memory");
  return ended != 0;
#else
  return ::emulator::mbarrier_try(barrier, parity, PTX_SITE("mbarrier.try_wait"));
#endif
}
/// Waits until the phase of this parity has ended.
GPU_INLINE void mbarrier_wait(uint64_t* barrier, int parity PTX_CALLER) {
#ifdef __CUDACC__
  while (!mbarrier_try(barrier, parity)) {
  }
#else
  ::emulator::mbarrier_wait(barrier, parity, PTX_SITE("mbarrier.try_wait"));
#endif
}

/// Makes this thread's ordinary writes to shared memory visible to the copy engine and to wgmma; then a barrier.
GPU_INLINE void fence_async() {
#ifdef __CUDACC__
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#else
  ::emulator::fence_async();
#endif
}

/// Registers that this warpgroup gives back or takes: a multiple of 8 from 24 to 256, for all its threads.
template <int Registers>
GPU_INLINE void give_registers() {
#ifdef __CUDACC__
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Registers));
#endif
}
template <int Registers>
GPU_INLINE void take_registers() {
#ifdef __CUDACC__
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Registers));
#endif
}

// --- tensor maps

/// How 16-byte chunks of a box's rows are permuted in shared memory: chunk index ^= row index, within spans of this
/// many bytes. The box's inner dimension is at most one span; the box lies aligned to 8 spans.
enum class Swizzle : int { none = 0, bytes32 = 1, bytes64 = 2, bytes128 = 3 };

/// A tensor in global memory as the copy engine sees it. Dimension 0 is the innermost one and is contiguous;
/// `stride_bytes[i]` belongs to dimension i + 1. Boxes have up to 256 elements per dimension.
struct TensorBox {
  const void* data;
  ScalarType dtype;
  int rank;  // 1 to 5
  uint64_t sizes[5];
  uint64_t stride_bytes[4];
  uint32_t box[5];
  Swizzle swizzle;
};

/// Encodes a map, to be passed to the kernel as `const __grid_constant__ CUtensorMap`. False if the copy engine cannot
/// move such boxes (addresses and strides are to be multiples of 16 bytes, rows of a box as well) or there is none.
inline bool encode_tensor_map(CUtensorMap* map, const TensorBox& box) {
  using Encode = CUresult (*)(CUtensorMap*, CUtensorMapDataType, cuuint32_t, void*, const cuuint64_t*,
                              const cuuint64_t*, const cuuint32_t*, const cuuint32_t*, CUtensorMapInterleave,
                              CUtensorMapSwizzle, CUtensorMapL2promotion, CUtensorMapFloatOOBfill);
  static const Encode encode = [] {
    void* found = nullptr;
    cudaDriverEntryPointQueryResult status = cudaDriverEntryPointSymbolNotFound;
    cudaError_t error =
        cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000, cudaEnableDefault, &status);
    return error == cudaSuccess && status == cudaDriverEntryPointSuccess ? reinterpret_cast<Encode>(found) : nullptr;
  }();
  if (encode == nullptr || box.rank < 1 || box.rank > 5) return false;
  CUtensorMapDataType type = CU_TENSOR_MAP_DATA_TYPE_UINT8;
  switch (box.dtype) {
    case ScalarType::Half:
      type = CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
      break;
    case ScalarType::BFloat16:
      type = CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
      break;
    case ScalarType::Float:
      type = CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
      break;
    case ScalarType::Double:
      type = CU_TENSOR_MAP_DATA_TYPE_FLOAT64;
      break;
    case ScalarType::Byte:
      break;
    default:
      return false;
  }
  cuuint64_t sizes[5], strides[4];
  cuuint32_t sides[5], steps[5];
  for (int i = 0; i < box.rank; ++i) {
    sizes[i] = box.sizes[i], sides[i] = box.box[i], steps[i] = 1;
    if (i + 1 < box.rank) strides[i] = box.stride_bytes[i];
  }
  return encode(map, type, static_cast<cuuint32_t>(box.rank), const_cast<void*>(box.data), sizes, strides, sides, steps,
                CU_TENSOR_MAP_INTERLEAVE_NONE, static_cast<CUtensorMapSwizzle>(box.swizzle),
                CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) == CUDA_SUCCESS;
}

// --- copies of boxes; one thread issues them

GPU_INLINE void prefetch_tensor_map(const CUtensorMap* map) {
#ifdef __CUDACC__
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
#else
  (void)map;
#endif
}

/// Loads the box that begins at the coordinates (innermost first, one per dimension) to `shared`, aligned to 128 bytes;
/// elements outside of the tensor become 0. The bytes of the whole box arrive at `barrier`.
template <class... C>
GPU_INLINE void tma_load(void* shared, const CUtensorMap* map, uint64_t* barrier, C... coordinates) {
  constexpr int rank = sizeof...(C);
  static_assert(rank >= 1 && rank <= 5, "tensor maps have 1 to 5 dimensions");
  const int c[5] = {static_cast<int>(coordinates)...};
#ifdef __CUDACC__
  const uint32_t to = shared_address(shared), at = shared_address(barrier);
#define PTX_TMA_LOAD(dims, list, ...)                                                                                \
  asm volatile("cp.async.bulk.tensor." dims ".shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {" list \
               "}], [%2];" ::"r"(to),                                                                                \
               "l"(map), "r"(at), __VA_ARGS__                                                                        \
               : "memory")
  if constexpr (rank == 1) PTX_TMA_LOAD("1d", "%3", "r"(c[0]));
  if constexpr (rank == 2) PTX_TMA_LOAD("2d", "%3, %4", "r"(c[0]), "r"(c[1]));
  if constexpr (rank == 3) PTX_TMA_LOAD("3d", "%3, %4, %5", "r"(c[0]), "r"(c[1]), "r"(c[2]));
  if constexpr (rank == 4) PTX_TMA_LOAD("4d", "%3, %4, %5, %6", "r"(c[0]), "r"(c[1]), "r"(c[2]), "r"(c[3]));
  if constexpr (rank == 5) {
    PTX_TMA_LOAD("5d", "%3, %4, %5, %6, %7", "r"(c[0]), "r"(c[1]), "r"(c[2]), "r"(c[3]), "r"(c[4]));
  }
#undef PTX_TMA_LOAD
#else
  ::emulator::tma_load(shared, map, barrier, c, rank);
#endif
}

/// Stores the box that lies at `shared` to the coordinates; what falls outside of the tensor is dropped. Before: writes
/// to `shared`, fence_async() by the writers, a barrier. After: tma_store_commit() and tma_store_wait.
template <class... C>
GPU_INLINE void tma_store(const CUtensorMap* map, const void* shared, C... coordinates) {
  constexpr int rank = sizeof...(C);
  static_assert(rank >= 1 && rank <= 5, "tensor maps have 1 to 5 dimensions");
  const int c[5] = {static_cast<int>(coordinates)...};
#ifdef __CUDACC__
  const uint32_t from = shared_address(shared);
#define PTX_TMA_STORE(dims, list, ...)                                                                           \
  asm volatile("cp.async.bulk.tensor." dims ".global.shared::cta.bulk_group [%0, {" list "}], [%1];" ::"l"(map), \
               "r"(from), __VA_ARGS__                                                                            \
               : "memory")
  if constexpr (rank == 1) PTX_TMA_STORE("1d", "%2", "r"(c[0]));
  if constexpr (rank == 2) PTX_TMA_STORE("2d", "%2, %3", "r"(c[0]), "r"(c[1]));
  if constexpr (rank == 3) PTX_TMA_STORE("3d", "%2, %3, %4", "r"(c[0]), "r"(c[1]), "r"(c[2]));
  if constexpr (rank == 4) PTX_TMA_STORE("4d", "%2, %3, %4, %5", "r"(c[0]), "r"(c[1]), "r"(c[2]), "r"(c[3]));
  if constexpr (rank == 5) {
    PTX_TMA_STORE("5d", "%2, %3, %4, %5, %6", "r"(c[0]), "r"(c[1]), "r"(c[2]), "r"(c[3]), "r"(c[4]));
  }
#undef PTX_TMA_STORE
#else
  ::emulator::tma_store(map, shared, c, rank);
#endif
}
/// Ends this thread's current group of stores.
GPU_INLINE void tma_store_commit() {
#ifdef __CUDACC__
  asm volatile("cp.async.bulk.commit_group;" ::: "memory");
#else
  ::emulator::tma_store_commit();
#endif
}
/// Waits until at most `Pending` of this thread's groups still read shared memory, which may then be written again.
template <int Pending>
GPU_INLINE void tma_store_wait() {
#ifdef __CUDACC__
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(Pending) : "memory");
#else
  ::emulator::tma_store_wait(Pending);
#endif
}

}  // namespace fulmen::ptx
