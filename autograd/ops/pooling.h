#pragma once
#include <fulmen/autograd/op.h>

#include <tuple>

// Pooling over one, two or three dimensions, as PyTorch defines it. input [n, channels, sizes...] or [channels,
// sizes...]. A list has a number per dimension, or one for all; no stride means the kernel's size. Sizes become
// (size + 2 padding - dilation (kernel - 1) - 1) / stride + 1, rounded up with ceil_mode (as long as the last window
// begins before the padding behind the input). Indices are int64, places within an image's channel.
namespace fulmen {

#define FULMEN_POOL(D)                                                                                      \
  Tensor max_pool##D##d(const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride = {},              \
                        IntArrayRef padding = 0, IntArrayRef dilation = 1, bool ceil_mode = false);         \
  std::tuple<Tensor, Tensor> max_pool##D##d_with_indices(const Tensor& input, IntArrayRef kernel_size,      \
                                                         IntArrayRef stride = {}, IntArrayRef padding = 0,  \
                                                         IntArrayRef dilation = 1, bool ceil_mode = false); \
  Tensor adaptive_avg_pool##D##d(const Tensor& input, IntArrayRef output_size);                             \
  std::tuple<Tensor, Tensor> adaptive_max_pool##D##d(const Tensor& input, IntArrayRef output_size)
FULMEN_POOL(1);
FULMEN_POOL(2);
FULMEN_POOL(3);
#undef FULMEN_POOL

/// The mean of each window. Padding counts as zeros if `count_include_pad`, else not at all; `divisor_override` takes
/// the place of the number of elements.
Tensor avg_pool1d(const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride = {}, IntArrayRef padding = 0,
                  bool ceil_mode = false, bool count_include_pad = true);
Tensor avg_pool2d(const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride = {}, IntArrayRef padding = 0,
                  bool ceil_mode = false, bool count_include_pad = true,
                  std::optional<int64_t> divisor_override = std::nullopt);
Tensor avg_pool3d(const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride = {}, IntArrayRef padding = 0,
                  bool ceil_mode = false, bool count_include_pad = true,
                  std::optional<int64_t> divisor_override = std::nullopt);

/// Puts the elements of x back to where max_pool found them, among zeros: `sizes` are those of the last dimensions.
Tensor max_unpool(const Tensor& x, const Tensor& indices, IntArrayRef sizes);

}  // namespace fulmen
