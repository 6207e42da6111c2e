// fill (any strides), arange and linspace (contiguous): bound by writes. Sequences are computed in double for float and
// integer dtypes as kernels/creation.h says, in float for the 16-bit ones.
#include <fulmen/kernels/creation.h>
#include <fulmen/kernels/cuda/elementwise.h>
#include <fulmen/kernels/cuda/math.h>

namespace fulmen::cuda {

namespace {

constexpr int threads = 256;

/// start + i * step
template <class T, class Work>
struct Steps {
  Work start, step;
  GPU_INLINE T operator()(int64_t i) const {
    if constexpr (std::is_integral_v<Work>) {
      return static_cast<T>(start + step * static_cast<Work>(i));  // unsigned: wraps around
    } else {
      return converted<T>(converted<Compute<T>>(start + step * static_cast<Work>(i)));
    }
  }
};

/// From both ends to the middle; exponents of `base` where it is not 0.
template <class T, class Work>
struct Spaced {
  Work first, last, step, base;
  int64_t n;
  GPU_INLINE T operator()(int64_t i) const {
    Work v = i < n / 2 || n == 1 ? first + step * static_cast<Work>(i) : last - step * static_cast<Work>(n - i - 1);
    if (base != 0) v = math::pow(base, v);
    return converted<T>(v);
  }
};

template <class T, class F>
__global__ __launch_bounds__(threads) void generate(T* y, int64_t n, F f) {
  const int64_t i = gpu::thread_index();
  if (i < n) y[i] = f(i);
}

template <class T, class F>
void generate_all(const Launch& launch, const View& y, const F& f) {
  if (y.numel == 0) return;
  GPU_LAUNCH((generate<T, F>), gpu::blocks_for(y.numel, threads), threads, 0, launch, y.as<T>(), y.numel, f);
}

template <class T>
void linspace_as(const Launch& launch, const View& y, double start, double end, double base) {
  using Work = std::conditional_t<std::is_integral_v<T>, double, Compute<T>>;
  const auto first = static_cast<Work>(start), last = static_cast<Work>(end);
  const Work step = y.numel > 1 ? (last - first) / static_cast<Work>(y.numel - 1) : Work(0);
  generate_all<T>(launch, y, Spaced<T, Work>{first, last, step, static_cast<Work>(base), y.numel});
}

template <class T>
void arange_as(const Launch& launch, const View& y, double start, double step, int64_t integer_start,
               int64_t integer_step) {
  if constexpr (std::is_integral_v<T>) {
    generate_all<T>(launch, y,
                    Steps<T, uint64_t>{static_cast<uint64_t>(integer_start), static_cast<uint64_t>(integer_step)});
  } else {
    using Work = std::conditional_t<is_short_float<T>, float, double>;
    generate_all<T>(launch, y, Steps<T, Work>{static_cast<Work>(start), static_cast<Work>(step)});
  }
}

}  // namespace

void fill(const Launch& launch, View y, double real, int64_t integer) {
  Number number{real, integer};
  if (y.dtype == ScalarType::Bool) number.real = integer != 0;
  const ConstView none = gpu::no_memory();
  gpu::run<1>(launch, gpu::moving_kernels(y.dtype), true, {}, gpu::bits_view(y), {&none},
              gpu::number_bits(number, y.dtype));
}

void arange(const Launch& launch, View y, double start, double step, int64_t integer_start, int64_t integer_step) {
  switch (y.dtype) {
#define X(T, N)       \
  case ScalarType::N: \
    return arange_as<T>(launch, y, start, step, integer_start, integer_step);
    FULMEN_FOR_EACH_DTYPE(X)
#undef X
    default:
      return;
  }
}

void linspace(const Launch& launch, View y, double start, double end, double base) {
  switch (y.dtype) {
#define X(T, N)       \
  case ScalarType::N: \
    return linspace_as<T>(launch, y, start, end, base);
    FULMEN_FOR_EACH_DTYPE(X)
#undef X
    default:
      return;
  }
}

}  // namespace fulmen::cuda
