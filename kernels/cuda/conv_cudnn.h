#pragma once
#include <fulmen/kernels/conv.h>

namespace fulmen::cuda {

/// x, y or w as cuDNN takes it; which of them is written follows from the direction.
struct ConvOperand {
  void* data;
  ScalarType dtype;
  int64_t numel, sizes[5];

  template <class Pointer>
  ConvOperand(const BasicView<Pointer>& view)
      : data(const_cast<void*>(static_cast<const void*>(view.data))), dtype(view.dtype), numel(view.numel) {
    for (int i = 0; i < 5; ++i) sizes[i] = view.sizes[i];
  }
};

enum class ConvDirection : int8_t { forward, to_input, to_weight };

/// A convolution by cuDNN, if the program wants that (FULMEN_CONV, set_conv_backend) and cuDNN has it. Of x, y and w
/// the one that the direction names is written. bias: one number per channel of the result, or null. False: nothing
/// happened.
bool computed_by_cudnn(const Launch& launch, ConvDirection direction, const ConvOperand& x, const ConvOperand& y,
                       const ConvOperand& w, const void* bias, const ConvGeometry& geometry);

}  // namespace fulmen::cuda
