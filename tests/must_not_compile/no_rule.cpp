// expect: this op has no derivative rule
#include <fulmen/autograd/op.h>

namespace fulmen {
using namespace autograd;
struct Forgotten {
  static constexpr auto name = "forgotten";
  Output forward(Forward& f, const Input& x) { return f.empty_like(x); }
};
Tensor forgotten(const Tensor& x) { return apply(Forgotten{}, x); }
}  // namespace fulmen
