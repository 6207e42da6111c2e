#include <fulmen/kernels/cpu/elementwise.h>
#include <fulmen/kernels/functors.h>

namespace fulmen::FULMEN_ISA {

namespace {

// y[i] = f(a[i], b[i]); contiguous, y bool.
template <class F, class T>
void compare_row(void* y_data, const void* const* x, int64_t n, const Params&) {
  auto* y = static_cast<bool*>(y_data);
  auto *a = static_cast<const T*>(x[0]), *b = static_cast<const T*>(x[1]);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = F::apply(a[i], b[i]);
}

template <class F>
Row row_for(ScalarType t) {
  switch (t) {
#define X(T, N)       \
  case ScalarType::N: \
    return &compare_row<F, T>;
    FULMEN_FOR_EACH_COMPUTE_TYPE(X)
#undef X
    default:
      return nullptr;
  }
}

Row row_for(CompareOp op, ScalarType t) {
  switch (op) {
#define X(name, domain) \
  case CompareOp::name: \
    return row_for<functor::name>(t);
    FULMEN_COMPARE_OPS(X)
#undef X
  }
  return nullptr;
}

}  // namespace

void compare(const Launch&, CompareOp op, ScalarType type, const View& y, const ConstView& a, const ConstView& b) {
  ScalarType compute = compute_type(type);
  run<2>(row_for(op, compute), {}, y, ScalarType::Bool, {{a, compute}, {b, compute}});
}

void compare_number(const Launch&, CompareOp op, ScalarType type, const View& y, const ConstView& x, const Number& c) {
  ScalarType compute = compute_type(type);
  NumberOperand number(c, compute);
  run<2>(row_for(op, compute), {}, y, ScalarType::Bool, {{x, compute}, {number.view, compute}});
}

}  // namespace fulmen::FULMEN_ISA
