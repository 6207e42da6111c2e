#include <fulmen/kernels/activations.h>
#include <fulmen/kernels/cpu/elementwise.h>

namespace fulmen::FULMEN_ISA {

namespace {

// A functor that vectorises up to some |x| only: blocks with a larger one take the other way.
template <class F>
void unary_row_within(float* y, const float* x, int64_t n) {
  constexpr int64_t block = 256;
  for (int64_t at = 0; at < n; at += block) {
    int64_t length = n - at < block ? n - at : block;
    bool within = true;
    for (int64_t i = 0; i < length; ++i) within &= !(math::fabs(x[at + i]) > F::reach);
    if (within) {
#pragma omp simd
      for (int64_t i = 0; i < length; ++i) y[at + i] = F::apply(x[at + i]);
    } else {
      for (int64_t i = 0; i < length; ++i) y[at + i] = F::beyond(x[at + i]);
    }
  }
}

// y[i] = f(x[i]); contiguous.
template <class F, class T>
void unary_row(void* y_data, const void* const* x_data, int64_t n, const Params& params) {
  auto* y = static_cast<T*>(y_data);
  auto* x = static_cast<const T*>(x_data[0]);
  if constexpr (std::is_same_v<T, float> && requires { F::reach; }) {
    unary_row_within<F>(y, x, n);
  } else if constexpr (requires { F::template apply<T>(x[0], x[0], x[0]); }) {
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

void unary(const Launch&, UnaryOp op, ScalarType type, const View& y, const ConstView& x, const Number& p,
           const Number& q) {
  ScalarType compute = compute_type(type);
  run<1>(row_for(op, compute), {p, q}, y, compute, {{x, compute}}, op < UnaryOp::Exp ? cheap_grain : dear_grain);
}

}  // namespace fulmen::FULMEN_ISA
