#pragma once
#include <fulmen/autograd/op.h>

// Rotary position embeddings (Su et al. 2021, "RoFormer").
namespace fulmen {

/// cos and sin of positions * base^(-2 i / dim) for i < dim / 2: two float32 tensors [positions..., dim / 2].
/// `positions` are integers or floating point; dim is even.
std::tuple<Tensor, Tensor> rotary_angles(const Tensor& positions, int64_t dim, double base = 10000);

/// Rotates pairs of features of x [..., features] by the angles whose cos and sin [..., pairs] are broadcast to
/// [..., pairs] of x: for x [batch, heads, time, features] they are [time, pairs], for [batch, time, heads, features]
/// [time, 1, pairs]. A pair is (i, i + pairs), or (2 i, 2 i + 1) if `interleaved`. Features from 2 * pairs on stay as
/// they are.
Tensor rotary_embedding(const Tensor& x, const Tensor& cos, const Tensor& sin, bool interleaved = false);

}  // namespace fulmen
