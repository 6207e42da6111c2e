// y = condition ? a : b, element by element. Values are moved as bits where a, b and y have one dtype: then their size
// is all that counts, and accesses are wide where inner dimensions are dense or broadcast. Bound by memory.
#include <fulmen/kernels/cuda/elementwise.h>

namespace fulmen::cuda {

namespace {

using gpu::Kernels;
using gpu::Params;

template <class T>
struct Where {
  using Value = T;
  GPU_INLINE static T apply(const T (&x)[3], const Params&) { return x[0] != T(0) ? x[1] : x[2]; }
};

Kernels<3> kernels_for_bits(ScalarType t) {
  switch (gpu::bits_type(t)) {
#define X(T, N)       \
  case ScalarType::N: \
    return gpu::kernels_of<Where<T>, T, uint8_t, T, T>();
    FULMEN_FOR_EACH_BITS_TYPE(X)
#undef X
    default:
      return {};
  }
}

Kernels<3> kernels_for_mixed(ScalarType t) {
  switch (t) {
#define X(T, N)       \
  case ScalarType::N: \
    return gpu::scattered_only<Where<T>, 3>();
    FULMEN_FOR_EACH_DTYPE(X)
#undef X
    default:
      return {};
  }
}

// Of a and b, one may be the number.
void choose(const Launch& launch, ScalarType type, const View& y, const ConstView& condition, const ConstView& a,
            const ConstView& b, uint64_t number) {
  auto fits = [&](const ConstView& x) { return !x.data || x.dtype == type; };
  if (y.dtype == type && fits(a) && fits(b)) {
    const ConstView truth = gpu::bits_view(condition), first = gpu::bits_view(a), second = gpu::bits_view(b);
    gpu::run<3>(launch, kernels_for_bits(type), true, {}, gpu::bits_view(y), {&truth, &first, &second}, number);
  } else {
    gpu::run<3>(launch, kernels_for_mixed(type), false, {}, y, {&condition, &a, &b}, number);
  }
}

}  // namespace

void where(const Launch& launch, ScalarType type, const View& y, const ConstView& condition, const ConstView& a,
           const ConstView& b) {
  choose(launch, type, y, condition, a, b, 0);
}

void masked_fill(const Launch& launch, ScalarType type, const View& y, const ConstView& x, const ConstView& mask,
                 const Number& c, bool inverted) {
  const ConstView number = gpu::no_memory();
  choose(launch, type, y, mask, inverted ? x : number, inverted ? number : x, gpu::number_bits(c, type));
}

}  // namespace fulmen::cuda
