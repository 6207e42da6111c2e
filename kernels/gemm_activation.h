#pragma once
#include <fulmen/kernels/activations.h>
#include <fulmen/kernels/gemm.h>

namespace fulmen {

/// Calls f with the functor of an activation; not for GemmActivation::none.
template <class F>
FULMEN_HD FULMEN_INLINE void with_activation(GemmActivation activation, const F& f) {
  switch (activation) {
    case GemmActivation::relu:
      return f(functor::Relu{});
    case GemmActivation::gelu:
      return f(functor::Gelu{});
    case GemmActivation::gelu_tanh:
      return f(functor::GeluTanh{});
    default:
      return;
  }
}

}  // namespace fulmen
