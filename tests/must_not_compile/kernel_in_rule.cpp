// expect: private
#include <fulmen/autograd/op.h>
#include <fulmen/kernels/kernel.h>

namespace fulmen {
KERNEL(twice, View y, ConstView x)
using namespace autograd;
struct Cheat {
  static constexpr auto name = "cheat";
  Output forward(Forward& f, const Input& x) { return f.empty_like(x); }
  Grads<1> backward(const Saved&, const Tensor& gy) const {
    kernel::twice(Launch(-1, 0, nullptr, "cheat"), View{}, ConstView{});
    return {gy};
  }
};
Tensor cheat(const Tensor& x) { return apply(Cheat{}, x); }
}  // namespace fulmen
