#include <fulmen/kernels/strided_add.h>

namespace fulmen::FULMEN_ISA {

namespace {

template <class T>
void add_places(View base, ConstView g, const StridedPlaces& p) {
  T* to = base.as<T>() + p.offset;
  const T* from = g.as<T>();
  int64_t index[max_dims] = {}, place = 0;
  for (int64_t i = 0; i < g.numel; ++i) {
    to[place] = T(to[place] + from[i]);
    for (int d = p.ndim - 1; d >= 0; --d) {
      place += p.strides[d];
      if (++index[d] < p.sizes[d]) break;
      place -= index[d] * p.strides[d];
      index[d] = 0;
    }
  }
}

}  // namespace

void add_strided(const Launch&, View base, ConstView g, StridedPlaces places) {
  switch (base.dtype) {
    case ScalarType::Float:
      return add_places<float>(base, g, places);
    case ScalarType::Double:
      return add_places<double>(base, g, places);
    case ScalarType::Half:
      return add_places<Half>(base, g, places);
    case ScalarType::BFloat16:
      return add_places<BFloat16>(base, g, places);
    default:
      return;
  }
}

}  // namespace fulmen::FULMEN_ISA
