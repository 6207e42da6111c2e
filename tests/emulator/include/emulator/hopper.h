#pragma once
#include <cuda.h>
#include <emulator/matrix.h>

// What kernels/cuda/hopper.h and wgmma.h call.
namespace emulator {

void mbarrier_init(uint64_t* barrier, int count, Site site);
/// One arrival that announces `bytes` more.
void mbarrier_arrive(uint64_t* barrier, int bytes, Site site);
bool mbarrier_try(uint64_t* barrier, int parity, Site site);
void mbarrier_wait(uint64_t* barrier, int parity, Site site);
void fence_async();

/// The copy happens when no thread can run; until then the target holds NaN.
void tma_load(void* shared, const CUtensorMap* map, uint64_t* barrier, const int (&coordinates)[5], int rank);
/// The copy happens when the thread waits for it.
void tma_store(const CUtensorMap* map, const void* shared, const int (&coordinates)[5], int rank);
void tma_store_commit();
void tma_store_wait(int pending);

/// One wgmma: A is in registers where `a_registers` is set.
struct WarpgroupProduct {
  float* d;
  int columns;
  Operand operand;
  bool a_transposed, b_transposed, accumulate;
  const uint32_t* a_registers;
  uint64_t a, b;
};
/// The product happens when the warpgroup waits for it.
void wgmma(const WarpgroupProduct& product, Site site);
void wgmma_fence();
void wgmma_commit(Site site);
void wgmma_wait(int pending, Site site);

}  // namespace emulator
