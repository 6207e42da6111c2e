#pragma once
#include <fulmen/autograd/op.h>

namespace fulmen {

/// -x; not for bool.
Tensor neg(const Tensor& x);
/// |x|; the gradient at 0 is 0.
Tensor abs(const Tensor& x);

}  // namespace fulmen
