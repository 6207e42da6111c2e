#include <fulmen/bench/kernels/ladder/ladder.h>

namespace fulmen::ladder {

extern const SoftmaxRung softmax_1_naive, softmax_2_coalesced, softmax_3_shuffle, softmax_4_online, softmax_5_vectors,
    softmax_6_registers, softmax_7_shared;
extern const SoftmaxBackwardRung softmax_backward_1_block, softmax_backward_2_vectors, softmax_backward_3_registers;
extern const GemmRung<float> gemm_1_naive, gemm_2_coalesced, gemm_3_shared_tiles, gemm_4_register_tiles,
    gemm_5_vectorised;
extern const GemmRung<BFloat16> gemm_6_mma, gemm_7_mma_cp_async_swizzle, gemm_8_wgmma_tma;

std::span<const SoftmaxRung* const> softmax_rungs() {
  static const SoftmaxRung* const rungs[] = {&softmax_1_naive,  &softmax_2_coalesced, &softmax_3_shuffle,
                                             &softmax_4_online, &softmax_5_vectors,   &softmax_6_registers,
                                             &softmax_7_shared};
  return rungs;
}

std::span<const SoftmaxBackwardRung* const> softmax_backward_rungs() {
  static const SoftmaxBackwardRung* const rungs[] = {&softmax_backward_1_block, &softmax_backward_2_vectors,
                                                     &softmax_backward_3_registers};
  return rungs;
}

std::span<const GemmRung<float>* const> gemm_float_rungs() {
  static const GemmRung<float>* const rungs[] = {&gemm_1_naive, &gemm_2_coalesced, &gemm_3_shared_tiles,
                                                 &gemm_4_register_tiles, &gemm_5_vectorised};
  return rungs;
}

std::span<const GemmRung<BFloat16>* const> gemm_bfloat16_rungs() {
  static const GemmRung<BFloat16>* const rungs[] = {&gemm_6_mma, &gemm_7_mma_cp_async_swizzle, &gemm_8_wgmma_tma};
  return rungs;
}

}  // namespace fulmen::ladder
