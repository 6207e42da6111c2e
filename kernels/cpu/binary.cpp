#include <fulmen/kernels/activations.h>
#include <fulmen/kernels/cpu/elementwise.h>

namespace fulmen::FULMEN_ISA {

namespace {

// y[i] = f(a[i], b[i]); contiguous.
template <class F, class T>
void binary_row(void* y_data, const void* const* x, int64_t n, const Params& params) {
  auto* y = static_cast<T*>(y_data);
  auto *a = static_cast<const T*>(x[0]), *b = static_cast<const T*>(x[1]);
  if constexpr (requires { F::template apply<T>(a[0], b[0], a[0]); }) {
    T alpha = number_as<T>(params.a);
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) y[i] = F::apply(a[i], b[i], alpha);
  } else {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) y[i] = F::apply(a[i], b[i]);
  }
}

template <class F, Domain domain>
Row row_for(ScalarType t) {
  switch (t) {
#define X(T, N)                                                  \
  case ScalarType::N:                                            \
    if constexpr (contains<T>(domain)) return &binary_row<F, T>; \
    break;
    FULMEN_FOR_EACH_COMPUTE_TYPE(X)
#undef X
    default:
      break;
  }
  return nullptr;
}

Row row_for(BinaryOp op, ScalarType t) {
  switch (op) {
#define X(name, domain) \
  case BinaryOp::name:  \
    return row_for<functor::name, Domain::domain>(t);
    FULMEN_BINARY_OPS(X)
#undef X
  }
  return nullptr;
}

int64_t grain_of(BinaryOp op) {
  switch (op) {
    case BinaryOp::DivFloor:
    case BinaryOp::Remainder:
    case BinaryOp::Fmod:
    case BinaryOp::Pow:
    case BinaryOp::Atan2:
      return dear_grain;
    default:
      return cheap_grain;
  }
}

}  // namespace

void binary(const Launch&, BinaryOp op, ScalarType type, const View& y, const ConstView& a, const ConstView& b,
            const Number& alpha) {
  ScalarType compute = compute_type(type);
  run<2>(row_for(op, compute), {alpha, {}}, y, compute, {{a, compute}, {b, compute}}, grain_of(op));
}

void binary_number(const Launch&, BinaryOp op, ScalarType type, const View& y, const ConstView& x, const Number& c,
                   bool reversed) {
  ScalarType compute = compute_type(type);
  NumberOperand number(c, compute);
  const ConstView &a = reversed ? number.view : x, &b = reversed ? x : number.view;
  run<2>(row_for(op, compute), {}, y, compute, {{a, compute}, {b, compute}}, grain_of(op));
}

}  // namespace fulmen::FULMEN_ISA
