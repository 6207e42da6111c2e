// expect: only inputs and outputs of the op can be saved
#include <fulmen/autograd/op.h>

namespace fulmen {
using namespace autograd;
struct Sneaky {
  static constexpr auto name = "sneaky";
  Output forward(Forward& f, const Input& x) {
    Tensor between = x.mul(2);
    f.save(between);
    return f.empty_like(x);
  }
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy.mul(s[0])}; }
};
Tensor sneaky(const Tensor& x) { return apply(Sneaky{}, x); }
}  // namespace fulmen
