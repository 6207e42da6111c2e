// fill, arange, linspace: memory-bound writes.
#include <fulmen/kernels/cpu/parallel.h>
#include <fulmen/kernels/creation.h>

#include <cmath>

namespace fulmen::FULMEN_ISA {

namespace {

constexpr int64_t grain = 16384;  // elements a thread should at least have

template <class T>
void fill_dense(T* to, int64_t n, T value) {
  parallel_for(n, grain, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) to[i] = value;
  });
}

// Walks the outer dimensions like an odometer; the innermost is the loop.
template <class T>
void fill_strided(const View& y, T value) {
  if (y.numel == 0) return;
  if (y.ndim == 0) {
    *y.as<T>() = value;
    return;
  }
  const int last = y.ndim - 1;
  const int64_t inner = y.sizes[last], step = y.strides[last];
  int64_t index[max_dims] = {};
  T* row = y.as<T>();
  for (int64_t rows = y.numel / inner; rows > 0; --rows) {
    for (int64_t i = 0; i < inner; ++i) row[i * step] = value;
    for (int d = last - 1; d >= 0; --d) {
      row += y.strides[d];
      if (++index[d] < y.sizes[d]) break;
      row -= index[d] * y.strides[d];
      index[d] = 0;
    }
  }
}

template <class T>
void fill_all(const View& y, T value) {
  if (y.contiguous()) {
    fill_dense(y.as<T>(), y.numel, value);
  } else {
    fill_strided(y, value);
  }
}

template <class T, class F>
void generate(const View& y, const F& f) {
  T* to = y.as<T>();
  parallel_for(y.numel, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) to[i] = f(i);
  });
}

template <class T, class Accumulate>
void arange_real(const View& y, double start, double step) {
  const auto first = static_cast<Accumulate>(start), by = static_cast<Accumulate>(step);
  generate<T>(y, [=](int64_t i) { return T(static_cast<float>(first + by * static_cast<Accumulate>(i))); });
}
template <class T>
void arange_integer(const View& y, int64_t start, int64_t step) {
  const auto first = static_cast<uint64_t>(start), by = static_cast<uint64_t>(step);  // wraps around without overflow
  generate<T>(y, [=](int64_t i) { return static_cast<T>(first + by * static_cast<uint64_t>(i)); });
}

// `Work` is the type the spacing is computed in: the dtype itself, float for the 16-bit ones, double for integers.
template <class T, class Work>
void linspace_as(const View& y, double start, double end, double base) {
  const int64_t n = y.numel, half = n / 2;
  const auto first = static_cast<Work>(start), last = static_cast<Work>(end);
  const Work step = n > 1 ? (last - first) / static_cast<Work>(n - 1) : Work(0);
  generate<T>(y, [=](int64_t i) {
    Work v = i < half || n == 1 ? first + step * static_cast<Work>(i) : last - step * static_cast<Work>(n - i - 1);
    if (base != 0) v = static_cast<Work>(std::pow(static_cast<Work>(base), v));
    return static_cast<T>(v);
  });
}

}  // namespace

void fill(const Launch&, View y, double real, int64_t integer) {
  switch (y.dtype) {
    case ScalarType::Byte:
    case ScalarType::Char:
      return fill_all(y, static_cast<uint8_t>(integer));
    case ScalarType::Bool:
      return fill_all(y, static_cast<uint8_t>(integer != 0));
    case ScalarType::Short:
      return fill_all(y, static_cast<int16_t>(integer));
    case ScalarType::Int:
      return fill_all(y, static_cast<int32_t>(integer));
    case ScalarType::Long:
      return fill_all(y, integer);
    case ScalarType::Half:
      return fill_all(y, Half::from_float(static_cast<float>(real)));
    case ScalarType::BFloat16:
      return fill_all(y, BFloat16::from_float(static_cast<float>(real)));
    case ScalarType::Float:
      return fill_all(y, static_cast<float>(real));
    case ScalarType::Double:
      return fill_all(y, real);
    case ScalarType::Undefined:
      return;
  }
}

void arange(const Launch&, View y, double start, double step, int64_t integer_start, int64_t integer_step) {
  switch (y.dtype) {
    case ScalarType::Byte:
      return arange_integer<uint8_t>(y, integer_start, integer_step);
    case ScalarType::Char:
      return arange_integer<int8_t>(y, integer_start, integer_step);
    case ScalarType::Short:
      return arange_integer<int16_t>(y, integer_start, integer_step);
    case ScalarType::Int:
      return arange_integer<int32_t>(y, integer_start, integer_step);
    case ScalarType::Long:
      return arange_integer<int64_t>(y, integer_start, integer_step);
    case ScalarType::Half:
      return arange_real<Half, float>(y, start, step);
    case ScalarType::BFloat16:
      return arange_real<BFloat16, float>(y, start, step);
    case ScalarType::Float:
      return arange_real<float, double>(y, start, step);
    case ScalarType::Double:
      return generate<double>(y, [=](int64_t i) { return start + step * static_cast<double>(i); });
    case ScalarType::Bool:
    case ScalarType::Undefined:
      return;
  }
}

void linspace(const Launch&, View y, double start, double end, double base) {
  switch (y.dtype) {
    case ScalarType::Byte:
      return linspace_as<uint8_t, double>(y, start, end, base);
    case ScalarType::Char:
      return linspace_as<int8_t, double>(y, start, end, base);
    case ScalarType::Short:
      return linspace_as<int16_t, double>(y, start, end, base);
    case ScalarType::Int:
      return linspace_as<int32_t, double>(y, start, end, base);
    case ScalarType::Long:
      return linspace_as<int64_t, double>(y, start, end, base);
    case ScalarType::Half:
      return linspace_as<Half, float>(y, start, end, base);
    case ScalarType::BFloat16:
      return linspace_as<BFloat16, float>(y, start, end, base);
    case ScalarType::Float:
      return linspace_as<float, float>(y, start, end, base);
    case ScalarType::Double:
      return linspace_as<double, double>(y, start, end, base);
    case ScalarType::Bool:
    case ScalarType::Undefined:
      return;
  }
}

}  // namespace fulmen::FULMEN_ISA
