#include <fulmen/kernels/cpu/elementwise.h>
#include <fulmen/kernels/functors.h>

namespace fulmen::FULMEN_ISA {

namespace {

// y[i] = f(x[i]); contiguous.
template <class F, class T>
void unary_row(void* y_data, const void* const* x_data, int64_t n, const Params& params) {
  auto* y = static_cast<T*>(y_data);
  auto* x = static_cast<const T*>(x_data[0]);
  if constexpr (requires { F::template apply<T>(x[0], x[0], x[0]); }) {
    T p = number_as<T>(params.a), q = number_as<T>(params.b);
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) y[i] = F::apply(x[i], p, q);
  } else {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) y[i] = F::apply(x[i]);
  }
}

template <class F, Domain domain>
Row row_for(ScalarType t) {
  switch (t) {
#define X(T, N)                                                 \
  case ScalarType::N:                                           \
    if constexpr (contains<T>(domain)) return &unary_row<F, T>; \
    break;
    FULMEN_FOR_EACH_COMPUTE_TYPE(X)
#undef X
    default:
      break;
  }
  return nullptr;
}

Row row_for(UnaryOp op, ScalarType t) {
  switch (op) {
#define X(name, domain) \
  case UnaryOp::name:   \
    return row_for<functor::name, Domain::domain>(t);
    FULMEN_UNARY_OPS(X)
#undef X
  }
  return nullptr;
}

}  // namespace

void unary(const Launch&, UnaryOp op, ScalarType type, View y, ConstView x, double p, double q) {
  ScalarType compute = compute_type(type);
  Params params{{p, static_cast<int64_t>(p)}, {q, static_cast<int64_t>(q)}};
  run<1>(row_for(op, compute), params, y, compute, {{x, compute}});
}

}  // namespace fulmen::FULMEN_ISA
