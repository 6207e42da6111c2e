// y = f(x), y = f(x, p, q), element by element, in the compute type (float for Half and BFloat16). Any strides and
// dtypes; 16-byte accesses where x and y have one dtype and dense inner dimensions. Bound by memory: the bytes of x and
// y; erf and its like cost about 25 instructions, which still hide behind the memory. CUDA's functions hold for every
// argument.
#include <fulmen/kernels/activations.h>
#include <fulmen/kernels/cuda/elementwise.h>

namespace fulmen::cuda {

namespace {

using gpu::Kernels;
using gpu::Params;

template <class F, class C>
struct Unary {
  using Value = C;
  GPU_INLINE static C apply(const C (&x)[1], const Params& params) {
    if constexpr (requires { F::template apply<C>(x[0], x[0], x[0]); }) {
      return F::apply(x[0], number_as<C>(params.a), number_as<C>(params.b));
    } else {
      return F::apply(x[0]);
    }
  }
};

Kernels<1> kernels_for(UnaryOp op, ScalarType t) {
  switch (op) {
#define X(name, domain) \
  case UnaryOp::name:   \
    return gpu::kernels_alike<Unary, functor::name, Domain::domain, 1>(t);
    FULMEN_UNARY_OPS(X)
#undef X
  }
  return {};
}

}  // namespace

void unary(const Launch& launch, UnaryOp op, ScalarType type, const View& y, const ConstView& x, const Number& p,
           const Number& q) {
  gpu::run<1>(launch, kernels_for(op, type), y.dtype == type && x.dtype == type, {p, q}, y, {&x});
}

}  // namespace fulmen::cuda
