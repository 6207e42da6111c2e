#pragma once
#include <fulmen/kernels/cuda/gpu.h>

// PTX instructions of compute capability 8.0 that CUDA C++ has no word for, one function each: the assembly for nvcc, a
// call of the emulator beside it. Layouts are those of the PTX manual, in terms of g = lane / 4 and t = lane % 4.
namespace fulmen::ptx {

#ifdef __CUDACC__
#define PTX_CALLER
#define PTX_SITE(what)
#else
// The caller's place, for the emulator's reports.
#define PTX_CALLER , const char *file = __builtin_FILE(), int line = __builtin_LINE()
#define PTX_SITE(what) \
  ::emulator::Site { what, file, line }
#endif

/// The address of shared memory as PTX wants it.
GPU_INLINE uint32_t shared_address(const void* p) { return static_cast<uint32_t>(__cvta_generic_to_shared(p)); }

// --- asynchronous copies

/// Copies Bytes (4, 8 or 16, both addresses aligned to them) from global to shared memory; `valid` bytes are read, the
/// rest becomes 0. The copy is there after cp_async_wait and, for other threads, a barrier.
template <int Bytes>
GPU_INLINE void cp_async(void* shared, const void* global, int valid = Bytes PTX_CALLER) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16, "cp.async copies 4, 8 or 16 bytes");
#ifdef __CUDACC__
  if constexpr (Bytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(valid)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(shared)), "l"(global), "n"(Bytes),
                 "r"(valid)
                 : "memory");
  }
#else
  ::emulator::cp_async(shared, global, Bytes, valid, PTX_SITE("cp.async"));
#endif
}
/// Ends this thread's current group of copies.
GPU_INLINE void cp_async_commit() {
#ifdef __CUDACC__
  asm volatile("cp.async.commit_group;" ::: "memory");
#else
  ::emulator::cp_async_commit();
#endif
}
/// Waits until at most `Pending` of this thread's latest groups are under way.
template <int Pending>
GPU_INLINE void cp_async_wait() {
#ifdef __CUDACC__
  asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
#else
  ::emulator::cp_async_wait(Pending);
#endif
}

// --- matrices of 8 x 8 elements of 16 bits

/// Loads Count (1, 2 or 4) matrices: lane 8 * m + r passes the address of row r of matrix m, 16 bytes, aligned to 16.
/// registers[m] is columns 2t and 2t + 1 of row g; transposed, rows 2t and 2t + 1 of column g. The whole warp calls it.
template <int Count, bool Transposed = false>
GPU_INLINE void ldmatrix(uint32_t (&registers)[Count], const void* row PTX_CALLER) {
  static_assert(Count == 1 || Count == 2 || Count == 4, "ldmatrix loads 1, 2 or 4 matrices");
#ifdef __CUDACC__
  const uint32_t address = shared_address(row);
  uint32_t* r = registers;
  if constexpr (Count == 4 && !Transposed) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
  } else if constexpr (Count == 4) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
  } else if constexpr (Count == 2 && !Transposed) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(address)
                 : "memory");
  } else if constexpr (Count == 2) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(address)
                 : "memory");
  } else if constexpr (!Transposed) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(r[0]) : "r"(address) : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];" : "=r"(r[0]) : "r"(address) : "memory");
  }
#else
  ::emulator::ldmatrix(registers, row, Count, Transposed, PTX_SITE("ldmatrix"));
#endif
}

// --- products of matrices

/// d (16 x 8, float) += a (16 x 16) * b (16 x 8) of T = Half or BFloat16, two elements to a register:
/// a: rows g, g + 8, g, g + 8 and columns 2t, 2t + 1, then 2t + 8, 2t + 9 in a[2] and a[3];
/// b: rows 2t, 2t + 1, then 2t + 8, 2t + 9 of column g; d: row g, columns 2t, 2t + 1, then row g + 8.
template <class T>
GPU_INLINE void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2] PTX_CALLER) {
  constexpr bool half = std::is_same_v<T, Half>;
  static_assert(half || std::is_same_v<T, BFloat16>, "mma_m16n8k16 multiplies Half or BFloat16");
#ifdef __CUDACC__
  if constexpr (half) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
#else
  ::emulator::mma(d, a, b, half ? ::emulator::Operand::half : ::emulator::Operand::bfloat16, PTX_SITE("mma.m16n8k16"));
#endif
}

/// d (16 x 8, float) += a (16 x 8) * b (8 x 8) of floats rounded by to_tf32 (the low 13 bits are ignored):
/// a: (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4); b: (t, g), (t + 4, g) as (row, column); d as in mma_m16n8k16.
GPU_INLINE void mma_m16n8k8_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2] PTX_CALLER) {
#ifdef __CUDACC__
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  ::emulator::mma(d, a, b, ::emulator::Operand::tf32, PTX_SITE("mma.m16n8k8"));
#endif
}

// --- numbers

/// x with 10 bits of mantissa, rounded to nearest, ties away from zero.
GPU_INLINE uint32_t to_tf32(float x) {
#ifdef __CUDACC__
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
#else
  uint32_t bits = std::bit_cast<uint32_t>(x);
  return (bits & 0x7f800000u) == 0x7f800000u ? bits & (x == x ? 0xffffe000u : 0xffffffffu)
                                             : (bits + 0x1000u) & 0xffffe000u;
#endif
}

/// Two numbers in one register, `low` in the lower half; rounded to nearest even. T is Half or BFloat16.
template <class T>
GPU_INLINE uint32_t pack(float low, float high) {
#ifdef __CUDACC__
  uint32_t bits;
  if constexpr (std::is_same_v<T, Half>) {
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  } else {
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  }
  return bits;
#else
  return static_cast<uint32_t>(T(high).bits) << 16 | T(low).bits;
#endif
}

/// 2^x to 2 units in the last place; subnormal results become 0.
GPU_INLINE float exp2_approx(float x) {
#ifdef __CUDACC__
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  float y = ::exp2f(x);
  return y < 1.17549435e-38f ? 0.0f : y;
#endif
}
/// tanh(x) with a relative error of 2^-11.
GPU_INLINE float tanh_approx(float x) {
#ifdef __CUDACC__
  float y;
  asm("tanh.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return ::tanhf(x);
#endif
}

// --- barriers of a part of the block

/// Waits until `threads` threads (a multiple of 32) have come to barrier `id`, 1 to 15; 0 is __syncthreads'.
GPU_INLINE void barrier_sync(int id, int threads PTX_CALLER) {
#ifdef __CUDACC__
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
#else
  ::emulator::barrier(id, threads, true, PTX_SITE("bar.sync"));
#endif
}
/// Counts as one of `threads` and goes on.
GPU_INLINE void barrier_arrive(int id, int threads PTX_CALLER) {
#ifdef __CUDACC__
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
#else
  ::emulator::barrier(id, threads, false, PTX_SITE("bar.arrive"));
#endif
}

}  // namespace fulmen::ptx
