#include <fulmen/kernels/cpu/elementwise.h>

namespace fulmen::FULMEN_ISA {

namespace {

// y[i] = condition[i] ? a[i] : b[i]; contiguous. Values are moved as bits, so their size is all that counts.
template <class T>
void where_row(void* y_data, const void* const* x, int64_t n, const Params&) {
  auto* y = static_cast<T*>(y_data);
  auto* condition = static_cast<const uint8_t*>(x[0]);
  auto *a = static_cast<const T*>(x[1]), *b = static_cast<const T*>(x[2]);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = condition[i] ? a[i] : b[i];
}

Row row_for(ScalarType t) {
  switch (element_size(t)) {
    case 1:
      return &where_row<uint8_t>;
    case 2:
      return &where_row<uint16_t>;
    case 4:
      return &where_row<uint32_t>;
    default:
      return &where_row<uint64_t>;
  }
}

}  // namespace

void where(const Launch&, ScalarType type, const View& y, const ConstView& condition, const ConstView& a,
           const ConstView& b) {
  run<3>(row_for(type), {}, y, type, {{condition, ScalarType::Bool}, {a, type}, {b, type}});
}

void masked_fill(const Launch& launch, ScalarType type, const View& y, const ConstView& x, const ConstView& mask,
                 const Number& c, bool inverted) {
  NumberOperand number(c, type);
  if (inverted) {
    where(launch, type, y, mask, x, number.view);
  } else {
    where(launch, type, y, mask, number.view, x);
  }
}

}  // namespace fulmen::FULMEN_ISA
