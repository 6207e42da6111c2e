#pragma once
#include <fulmen/autograd/op.h>

namespace fulmen {

/// softmax(scale query key^T + attn_mask) value without the matrix of probabilities in memory (Dao et al. 2022,
/// "FlashAttention"): query [..., L, E], key [..., S, E], value [..., S, D] give [..., L, D]; the dimensions before are
/// broadcast.
///   attn_mask   broadcast to [..., L, S]: bool (true: the key takes part) or floating point (added to the scores). A
///               query without any key gives zeros.
///   dropout_p   the share of probabilities that become 0. On the CPU the masks are PyTorch's, bit for bit, and the
///               probabilities lie in memory, as there.
///   is_causal   query i sees keys 0 .. i; not together with a mask
///   scale       1 / sqrt(E) unless given
///   enable_gqa  query [..., H, L, E] may have a multiple of the heads of key and value [..., G, S, E]: head h of the
///               query uses head h / (H / G)
/// Derivatives of any order; those of a mask as well. Results do not depend on the number of threads.
Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const Tensor& attn_mask = {}, double dropout_p = 0, bool is_causal = false,
                                    std::optional<double> scale = std::nullopt, bool enable_gqa = false);

}  // namespace fulmen
