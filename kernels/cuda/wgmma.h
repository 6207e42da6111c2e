#pragma once
#include <fulmen/kernels/cuda/hopper.h>

// wgmma: products of tiles by a warpgroup (128 threads whose first is a multiple of 128), asynchronously: fence, some
// products, commit, wait; until then neither the sums nor registers of A may be touched.
namespace fulmen::ptx {

/// Which dimension of an operand is contiguous in shared memory: k, or the other one (m of A, n of B).
enum class Major : int { k = 0, mn = 1 };

/// Describes an operand in shared memory, given the address of its first element. With a swizzle of S bytes, in rows
/// of S bytes as tma_load puts them:
///   k major: 8 rows of m or n every `stride_bytes`; `leading_bytes` is not used. 16 elements further along k within
///     the span are 32 bytes further in the address.
///   mn major: 8 rows of k every `stride_bytes`; spans along m or n every `leading_bytes`.
/// Without swizzle, in core matrices of 8 rows of 16 contiguous bytes (128 bytes in all):
///   k major: the next 8 rows `stride_bytes` on, the next 16 bytes of k `leading_bytes` on;
///   mn major: the next 8 of m or n `stride_bytes` on, the next 8 of k `leading_bytes` on.
GPU_INLINE uint64_t wgmma_descriptor(const void* shared, Swizzle swizzle, int leading_bytes, int stride_bytes) {
  constexpr uint64_t modes[4] = {0, 3, 2, 1};
  auto field = [](uint64_t bytes) { return (bytes & 0x3ffff) >> 4; };
  return field(shared_address(shared)) | field(static_cast<uint64_t>(leading_bytes)) << 16 |
         field(static_cast<uint64_t>(stride_bytes)) << 32 | modes[static_cast<int>(swizzle)] << 62;
}

/// Before the first product of every group: what was written to the registers of the sums and of A is there.
GPU_INLINE void wgmma_fence() {
#ifdef __CUDACC__
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#else
  ::emulator::wgmma_fence();
#endif
}
/// Ends the current group of products.
GPU_INLINE void wgmma_commit(
#ifndef __CUDACC__
    const char* file = __builtin_FILE(), int line = __builtin_LINE()
#endif
) {
#ifdef __CUDACC__
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#else
  ::emulator::wgmma_commit(PTX_SITE("wgmma.commit_group"));
#endif
}
/// Waits until at most `Pending` groups of products are under way.
template <int Pending>
GPU_INLINE void wgmma_wait(
#ifndef __CUDACC__
    const char* file = __builtin_FILE(), int line = __builtin_LINE()
#endif
) {
#ifdef __CUDACC__
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Pending) : "memory");
#else
  ::emulator::wgmma_wait(Pending, PTX_SITE("wgmma.wait_group"));
#endif
}

#ifndef __CUDACC__
template <class T>
inline constexpr auto emulated_operand = std::is_same_v<T, Half>       ? ::emulator::Operand::half
                                         : std::is_same_v<T, BFloat16> ? ::emulator::Operand::bfloat16
                                                                       : ::emulator::Operand::tf32;
#else

// Lists of 8 registers each: "%0, ... %7" and the operands d[0] ... d[7].
#define PTX_EIGHT(i)                                                                                          \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]), \
      "+f"(d[i + 7])
#define PTX_LIST1 "%0, %1, %2, %3, %4, %5, %6, %7"
#define PTX_D1 PTX_EIGHT(0)
#define PTX_LIST2 PTX_LIST1 ", %8, %9, %10, %11, %12, %13, %14, %15"
#define PTX_D2 PTX_D1, PTX_EIGHT(8)
#define PTX_LIST3 PTX_LIST2 ", %16, %17, %18, %19, %20, %21, %22, %23"
#define PTX_D3 PTX_D2, PTX_EIGHT(16)
#define PTX_LIST4 PTX_LIST3 ", %24, %25, %26, %27, %28, %29, %30, %31"
#define PTX_D4 PTX_D3, PTX_EIGHT(24)
#define PTX_LIST5 PTX_LIST4 ", %32, %33, %34, %35, %36, %37, %38, %39"
#define PTX_D5 PTX_D4, PTX_EIGHT(32)
#define PTX_LIST6 PTX_LIST5 ", %40, %41, %42, %43, %44, %45, %46, %47"
#define PTX_D6 PTX_D5, PTX_EIGHT(40)
#define PTX_LIST7 PTX_LIST6 ", %48, %49, %50, %51, %52, %53, %54, %55"
#define PTX_D7 PTX_D6, PTX_EIGHT(48)
#define PTX_LIST8 PTX_LIST7 ", %56, %57, %58, %59, %60, %61, %62, %63"
#define PTX_D8 PTX_D7, PTX_EIGHT(56)
#define PTX_LIST9 PTX_LIST8 ", %64, %65, %66, %67, %68, %69, %70, %71"
#define PTX_D9 PTX_D8, PTX_EIGHT(64)
#define PTX_LIST10 PTX_LIST9 ", %72, %73, %74, %75, %76, %77, %78, %79"
#define PTX_D10 PTX_D9, PTX_EIGHT(72)
#define PTX_LIST11 PTX_LIST10 ", %80, %81, %82, %83, %84, %85, %86, %87"
#define PTX_D11 PTX_D10, PTX_EIGHT(80)
#define PTX_LIST12 PTX_LIST11 ", %88, %89, %90, %91, %92, %93, %94, %95"
#define PTX_D12 PTX_D11, PTX_EIGHT(88)
#define PTX_LIST13 PTX_LIST12 ", %96, %97, %98, %99, %100, %101, %102, %103"
#define PTX_D13 PTX_D12, PTX_EIGHT(96)
#define PTX_LIST14 PTX_LIST13 ", %104, %105, %106, %107, %108, %109, %110, %111"
#define PTX_D14 PTX_D13, PTX_EIGHT(104)
#define PTX_LIST15 PTX_LIST14 ", %112, %113, %114, %115, %116, %117, %118, %119"
#define PTX_D15 PTX_D14, PTX_EIGHT(112)
#define PTX_LIST16 PTX_LIST15 ", %120, %121, %122, %123, %124, %125, %126, %127"
#define PTX_D16 PTX_D15, PTX_EIGHT(120)

// X(N, N / 16, the numbers of the operands after d)
#define PTX_WGMMA_SIZES(X)                                           \
  X(16, 1, "%8", "%9", "%10", "%11", "%12", "%13", "%14")            \
  X(32, 2, "%16", "%17", "%18", "%19", "%20", "%21", "%22")          \
  X(48, 3, "%24", "%25", "%26", "%27", "%28", "%29", "%30")          \
  X(64, 4, "%32", "%33", "%34", "%35", "%36", "%37", "%38")          \
  X(80, 5, "%40", "%41", "%42", "%43", "%44", "%45", "%46")          \
  X(96, 6, "%48", "%49", "%50", "%51", "%52", "%53", "%54")          \
  X(112, 7, "%56", "%57", "%58", "%59", "%60", "%61", "%62")         \
  X(128, 8, "%64", "%65", "%66", "%67", "%68", "%69", "%70")         \
  X(144, 9, "%72", "%73", "%74", "%75", "%76", "%77", "%78")         \
  X(160, 10, "%80", "%81", "%82", "%83", "%84", "%85", "%86")        \
  X(176, 11, "%88", "%89", "%90", "%91", "%92", "%93", "%94")        \
  X(192, 12, "%96", "%97", "%98", "%99", "%100", "%101", "%102")     \
  X(208, 13, "%104", "%105", "%106", "%107", "%108", "%109", "%110") \
  X(224, 14, "%112", "%113", "%114", "%115", "%116", "%117", "%118") \
  X(240, 15, "%120", "%121", "%122", "%123", "%124", "%125", "%126") \
  X(256, 16, "%128", "%129", "%130", "%131", "%132", "%133", "%134")

// A and B in shared memory: a, b, accumulate, and for 16-bit types the majors.
#define PTX_WGMMA_SHARED(types, k, n, size, majors, o0, o1, o2, ...)                                               \
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " o2 ", 0;\nwgmma.mma_async.sync.aligned.m64n" #n k ".f32." types \
               " {" PTX_LIST##size "}, " o0 ", " o1 ", p, 1, 1" majors ";\n}"                                      \
               : PTX_D##size                                                                                       \
               : "l"(a), "l"(b), "r"(static_cast<int>(accumulate))__VA_OPT__(, ) __VA_ARGS__)
// A in registers.
#define PTX_WGMMA_REGISTERS(types, k, n, size, majors, o0, o1, o2, o3, o4, o5, ...)                                \
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " o5 ", 0;\nwgmma.mma_async.sync.aligned.m64n" #n k ".f32." types \
               " {" PTX_LIST##size "}, {" o0 ", " o1 ", " o2 ", " o3 "}, " o4 ", p, 1, 1" majors ";\n}"            \
               : PTX_D##size                                                                                       \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b),                                               \
                 "r"(static_cast<int>(accumulate))__VA_OPT__(, ) __VA_ARGS__)

#endif

/// d (64 x N, float) = a (64 x K) * b (K x N), + d if `accumulate`; K is 16 for T = Half and BFloat16, 8 for float
/// (TF32, whose operands are k major). d[4 * j + i] of lane (g = lane / 4, t = lane % 4) of warp w is row 16 * w + g, +
/// 8 for i >= 2, column 8 * j + 2 * t + i % 2. N is a multiple of 16 up to 256.
template <class T, int N, Major A = Major::k, Major B = Major::k>
GPU_INLINE void wgmma(float (&d)[N / 2], uint64_t a, uint64_t b, bool accumulate PTX_CALLER) {
  static_assert(N % 16 == 0 && N >= 16 && N <= 256, "wgmma: N is a multiple of 16 up to 256");
  static_assert(!std::is_same_v<T, float> || (A == Major::k && B == Major::k), "wgmma: TF32 operands are k major");
#ifdef __CUDACC__
#define X(n, size, o0, o1, o2, o3, o4, o5, o6)                                                           \
  if constexpr (N == n && std::is_same_v<T, Half>)                                                       \
    PTX_WGMMA_SHARED("f16.f16", "k16", n, size, ", " o3 ", " o4, o0, o1, o2, "n"(static_cast<int>(A)),   \
                     "n"(static_cast<int>(B)));                                                          \
  if constexpr (N == n && std::is_same_v<T, BFloat16>)                                                   \
    PTX_WGMMA_SHARED("bf16.bf16", "k16", n, size, ", " o3 ", " o4, o0, o1, o2, "n"(static_cast<int>(A)), \
                     "n"(static_cast<int>(B)));                                                          \
  if constexpr (N == n && std::is_same_v<T, float>) PTX_WGMMA_SHARED("tf32.tf32", "k8", n, size, "", o0, o1, o2);
  PTX_WGMMA_SIZES(X)
#undef X
#else
  ::emulator::wgmma({d, N, emulated_operand<T>, A == Major::mn, B == Major::mn, accumulate, nullptr, a, b},
                    PTX_SITE("wgmma"));
#endif
}

/// The same with a's rows 16 * w to 16 * w + 15 in the registers of warp w, laid out as in mma_m16n8k16 (or, TF32,
/// mma_m16n8k8_tf32).
template <class T, int N, Major B = Major::k>
GPU_INLINE void wgmma(float (&d)[N / 2], const uint32_t (&a)[4], uint64_t b, bool accumulate PTX_CALLER) {
  static_assert(N % 16 == 0 && N >= 16 && N <= 256, "wgmma: N is a multiple of 16 up to 256");
  static_assert(!std::is_same_v<T, float> || B == Major::k, "wgmma: TF32 operands are k major");
#ifdef __CUDACC__
#define X(n, size, o0, o1, o2, o3, o4, o5, o6)                                                                   \
  if constexpr (N == n && std::is_same_v<T, Half>)                                                               \
    PTX_WGMMA_REGISTERS("f16.f16", "k16", n, size, ", " o6, o0, o1, o2, o3, o4, o5, "n"(static_cast<int>(B)));   \
  if constexpr (N == n && std::is_same_v<T, BFloat16>)                                                           \
    PTX_WGMMA_REGISTERS("bf16.bf16", "k16", n, size, ", " o6, o0, o1, o2, o3, o4, o5, "n"(static_cast<int>(B))); \
  if constexpr (N == n && std::is_same_v<T, float>)                                                              \
    PTX_WGMMA_REGISTERS("tf32.tf32", "k8", n, size, "", o0, o1, o2, o3, o4, o5);
  PTX_WGMMA_SIZES(X)
#undef X
#else
  ::emulator::wgmma({d, N, emulated_operand<T>, false, B == Major::mn, accumulate, a, 0, b}, PTX_SITE("wgmma"));
#endif
}

}  // namespace fulmen::ptx
