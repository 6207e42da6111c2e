#pragma once
#include <fulmen/kernels/kernel.h>
#include <fulmen/kernels/philox.h>

namespace fulmen {

struct AttentionSettings {
  double scale = 1;
  bool causal = false;  ///< query i sees keys 0 .. i
  /// CUDA only: the share of probabilities that become 0; the others are divided by 1 - dropout. That of batch b, head
  /// h, query i, key j is kept if draw ((b H + h) L + i) S + j, numbered and made as random_uniform makes those of
  /// float32, is not below it.
  double dropout = 0;
  PhiloxPlace philox;
};

// Attention without its matrix of probabilities: blocks of keys pass by, and each query keeps the largest score so far
// (or, in the backward pass, knows the logarithm of its sum). All views are [batch, heads, time, features] with
// features next to each other in memory, other strides as they like:
//   q, gq [B, H, L, E]    k, gk [B, G, S, E]    v, gv [B, G, S, D]    y, gy [B, H, L, D]
// Query head h sees key head h / (H / G). mask [B, H, L, S] may be expanded; bool (true: visible) or of q's dtype
// (added to the scores); data == nullptr: none. All of one dtype: float32 and float64 on the CPU, also float16 and
// bfloat16 on CUDA. lse [B, H, L], contiguous, is float64 for float64 and float32 otherwise.

/// y = softmax(scale q k^T + mask) v, 0 for queries that see no key; lse = log(sum(exp(scores))).
KERNEL(attention, const View& y, const View& lse, const ConstView& q, const ConstView& k, const ConstView& v,
       const ConstView& mask, const AttentionSettings& settings)
/// With p = exp(scores - lse), dp = gy v^T, ds = p (dp - sum(y gy)): gv = p^T gy, gq = scale ds k, gk = scale ds^T q.
KERNEL(attention_backward, const View& gq, const View& gk, const View& gv, const ConstView& q, const ConstView& k,
       const ConstView& v, const ConstView& mask, const ConstView& y, const ConstView& lse, const ConstView& gy,
       const AttentionSettings& settings)

}  // namespace fulmen
