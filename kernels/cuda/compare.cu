// y (bool) = f(a, b), element by element, in the compute type (float for Half and BFloat16). Any strides and dtypes;
// wide accesses where a and b have the promoted dtype and dense or broadcast inner dimensions. Bound by memory.
#include <fulmen/kernels/cuda/elementwise.h>
#include <fulmen/kernels/functors.h>

namespace fulmen::cuda {

namespace {

using gpu::Kernels;
using gpu::Params;

template <class F, class C>
struct Compare {
  using Value = C;
  GPU_INLINE static bool apply(const C (&x)[2], const Params&) { return F::apply(x[0], x[1]); }
};

template <class F>
Kernels<2> kernels_for(ScalarType t) {
  switch (t) {
#define X(T, N)       \
  case ScalarType::N: \
    return gpu::kernels_of<Compare<F, Compute<T>>, bool, T, T>();
    FULMEN_FOR_EACH_DTYPE(X)
#undef X
    default:
      return {};
  }
}

Kernels<2> kernels_for(CompareOp op, ScalarType t) {
  switch (op) {
#define X(name, domain) \
  case CompareOp::name: \
    return kernels_for<functor::name>(t);
    FULMEN_COMPARE_OPS(X)
#undef X
  }
  return {};
}

}  // namespace

void compare(const Launch& launch, CompareOp op, ScalarType type, const View& y, const ConstView& a,
             const ConstView& b) {
  const bool same = y.dtype == ScalarType::Bool && a.dtype == type && b.dtype == type;
  gpu::run<2>(launch, kernels_for(op, type), same, {}, y, {&a, &b});
}

void compare_number(const Launch& launch, CompareOp op, ScalarType type, const View& y, const ConstView& x,
                    const Number& c) {
  const bool same = y.dtype == ScalarType::Bool && x.dtype == type;
  const ConstView number = gpu::no_memory();
  gpu::run<2>(launch, kernels_for(op, type), same, {}, y, {&x, &number}, gpu::number_bits(c, compute_type(type)));
}

}  // namespace fulmen::cuda
