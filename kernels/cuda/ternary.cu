// y = f(a, b, c, value), element by element, in the compute type (float for Half and BFloat16). Any strides and dtypes;
// 16-byte accesses where operands have the promoted dtype and dense or broadcast inner dimensions. Bound by memory.
#include <fulmen/kernels/cuda/elementwise.h>
#include <fulmen/kernels/functors.h>

namespace fulmen::cuda {

namespace {

using gpu::Kernels;
using gpu::Params;

template <class F, class C>
struct Ternary {
  using Value = C;
  GPU_INLINE static C apply(const C (&x)[3], const Params& params) {
    return F::apply(x[0], x[1], x[2], number_as<C>(params.a));
  }
};

Kernels<3> kernels_for(TernaryOp op, ScalarType t) {
  switch (op) {
#define X(name, domain) \
  case TernaryOp::name: \
    return gpu::kernels_alike<Ternary, functor::name, Domain::domain, 3>(t);
    FULMEN_TERNARY_OPS(X)
#undef X
  }
  return {};
}

}  // namespace

void ternary(const Launch& launch, TernaryOp op, ScalarType type, const View& y, const ConstView& a, const ConstView& b,
             const ConstView& c, const Number& value) {
  const bool same = y.dtype == type && a.dtype == type && b.dtype == type && c.dtype == type;
  gpu::run<3>(launch, kernels_for(op, type), same, {value, {}}, y, {&a, &b, &c});
}

}  // namespace fulmen::cuda
