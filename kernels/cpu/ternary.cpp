#include <fulmen/kernels/cpu/elementwise.h>
#include <fulmen/kernels/functors.h>

namespace fulmen::FULMEN_ISA {

namespace {

// y[i] = f(a[i], b[i], c[i], value); contiguous.
template <class F, class T>
void ternary_row(void* y_data, const void* const* x, int64_t n, const Params& params) {
  auto* y = static_cast<T*>(y_data);
  auto *a = static_cast<const T*>(x[0]), *b = static_cast<const T*>(x[1]), *c = static_cast<const T*>(x[2]);
  T value = number_as<T>(params.a);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = F::apply(a[i], b[i], c[i], value);
}

template <class F, Domain domain>
Row row_for(ScalarType t) {
  switch (t) {
#define X(T, N)                                                   \
  case ScalarType::N:                                             \
    if constexpr (contains<T>(domain)) return &ternary_row<F, T>; \
    break;
    FULMEN_FOR_EACH_COMPUTE_TYPE(X)
#undef X
    default:
      break;
  }
  return nullptr;
}

Row row_for(TernaryOp op, ScalarType t) {
  switch (op) {
#define X(name, domain) \
  case TernaryOp::name: \
    return row_for<functor::name, Domain::domain>(t);
    FULMEN_TERNARY_OPS(X)
#undef X
  }
  return nullptr;
}

}  // namespace

void ternary(const Launch&, TernaryOp op, ScalarType type, const View& y, const ConstView& a, const ConstView& b,
             const ConstView& c, const Number& value) {
  ScalarType t = compute_type(type);
  run<3>(row_for(op, t), {value, {}}, y, t, {{a, t}, {b, t}, {c, t}});
}

}  // namespace fulmen::FULMEN_ISA
