// y = f(a, b) and y = f(a, b, alpha), element by element, in the compute type of the promoted dtype (float for Half and
// BFloat16). Any strides and dtypes; 16-byte accesses where operands have the promoted dtype and dense or broadcast
// inner dimensions. Bound by memory: the bytes of y, a and b.
#include <fulmen/kernels/activations.h>
#include <fulmen/kernels/cuda/elementwise.h>

namespace fulmen::cuda {

namespace {

using gpu::Kernels;
using gpu::Params;

template <class F, class C>
struct Binary {
  using Value = C;
  GPU_INLINE static C apply(const C (&x)[2], const Params& params) {
    if constexpr (requires { F::template apply<C>(x[0], x[1], x[0]); }) {
      return F::apply(x[0], x[1], number_as<C>(params.a));
    } else {
      return F::apply(x[0], x[1]);
    }
  }
};

Kernels<2> kernels_for(BinaryOp op, ScalarType t) {
  switch (op) {
#define X(name, domain) \
  case BinaryOp::name:  \
    return gpu::kernels_alike<Binary, functor::name, Domain::domain, 2>(t);
    FULMEN_BINARY_OPS(X)
#undef X
  }
  return {};
}

}  // namespace

void binary(const Launch& launch, BinaryOp op, ScalarType type, const View& y, const ConstView& a, const ConstView& b,
            const Number& alpha) {
  const bool same = y.dtype == type && a.dtype == type && b.dtype == type;
  gpu::run<2>(launch, kernels_for(op, type), same, {alpha, {}}, y, {&a, &b});
}

void binary_number(const Launch& launch, BinaryOp op, ScalarType type, const View& y, const ConstView& x,
                   const Number& c, bool reversed) {
  const bool same = y.dtype == type && x.dtype == type;
  const ConstView number = gpu::no_memory();
  gpu::run<2>(launch, kernels_for(op, type), same, {}, y, {reversed ? &number : &x, reversed ? &x : &number},
              gpu::number_bits(c, compute_type(type)));
}

}  // namespace fulmen::cuda
