#include <fulmen/kernels/cpu/parallel.h>
#include <fulmen/kernels/embedding.h>

namespace fulmen::FULMEN_ISA {

void embedding(const Launch&, const View& y, const ConstView& weight, const ConstView& indices) {
  int64_t row = weight.sizes[1] * element_size(weight.dtype);
  const int64_t* index = indices.as<int64_t>();
  const char* from = weight.as<char>();
  char* to = y.as<char>();
  parallel_for(indices.numel, 65536 / (row + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      __builtin_memcpy(to + i * row, from + index[i] * row, static_cast<unsigned long>(row));
    }
  });
}

namespace {

/// Columns are divided among the threads, so each row is summed in one order.
template <class T>
void add_rows(const View& gw, const ConstView& gy, const ConstView& indices, int64_t skip) {
  int64_t features = gw.sizes[1], rows = indices.numel;
  const int64_t* index = indices.as<int64_t>();
  const T* from = gy.as<T>();
  T* to = gw.as<T>();
  int64_t grain = 65536 / (rows + 1) + 1;
  parallel_for(features, grain < 16 ? 16 : grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < rows; ++i) {
      if (index[i] == skip) continue;
      T* sum = to + index[i] * features;
      const T* g = from + i * features;
      for (int64_t j = begin; j < end; ++j) sum[j] = T(sum[j] + g[j]);
    }
  });
}

}  // namespace

void embedding_add(const Launch&, const View& gw, const ConstView& gy, const ConstView& indices, int64_t skip) {
  switch (gw.dtype) {
    case ScalarType::Float:
      return add_rows<float>(gw, gy, indices, skip);
    case ScalarType::Double:
      return add_rows<double>(gw, gy, indices, skip);
    case ScalarType::Half:
      return add_rows<Half>(gw, gy, indices, skip);
    case ScalarType::BFloat16:
      return add_rows<BFloat16>(gw, gy, indices, skip);
    default:
      return;
  }
}

}  // namespace fulmen::FULMEN_ISA
