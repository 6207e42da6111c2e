// The control: what the files beside it do wrong, done right. It must compile.
#include <fulmen/autograd/op.h>
#include <fulmen/kernels/kernel.h>

namespace fulmen {
KERNEL(twice, View y, ConstView x)

using namespace autograd;

struct Twice {
  static constexpr auto name = "twice";
  Output forward(Forward& f, const Input& x) {
    Output y = f.empty_like(x);
    kernel::twice(f.launch(y), f.out(y), f.in(x));
    f.save(x, y);
    return y;
  }
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {gy.mul(2)}; }
};
Tensor twice(const Tensor& x) { return apply(Twice{}, x); }

struct Count {
  static constexpr auto name = "count";
  static constexpr bool differentiable = false;
  Output forward(Forward& f, const Input& x) { return f.empty_like(x); }
};
Tensor count(const Tensor& x) { return apply(Count{}, x); }
}  // namespace fulmen
