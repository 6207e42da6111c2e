#pragma once
#include <fulmen/autograd/op.h>

#include <string_view>

namespace fulmen {

/// Adds `pad` elements of `value` around x, or takes them away where negative. Pairs (before, after) begin with the
/// last dimension.
Tensor constant_pad_nd(const Tensor& x, IntArrayRef pad, const Scalar& value = 0);

/// The same with "constant", or with x's own elements: "reflect" without the border element, "replicate" the border
/// element, "circular" those of the other end. The latter three are for up to three dimensions behind one or two that
/// are not padded.
Tensor pad(const Tensor& x, IntArrayRef pad, std::string_view mode = "constant", std::optional<double> value = {});

}  // namespace fulmen
