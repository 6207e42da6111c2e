// Random numbers but the normal ones: PyTorch's CPU stream, draw for draw.
#include <fulmen/kernels/cpu/random.h>

#include <cmath>

namespace fulmen::FULMEN_ISA {

namespace {

template <class T>
void uniform_short(T* y, int64_t n, float from, float to, Twister twister) {
  in_pieces<1>(twister, n, [=](int64_t first, int64_t count, const uint32_t* draws) {
    for (int64_t i = 0; i < count; ++i) {
      const T value(__builtin_fmaf(unit_float(draws[i]), to - from, from));
      y[first + i] = static_cast<float>(value) == to ? T(from) : value;  // rounding may reach the excluded end
    }
  });
}
void uniform_float(float* y, int64_t n, float from, float to, Twister twister) {
  in_pieces<1>(twister, n, [=](int64_t first, int64_t count, const uint32_t* draws) {
    for (int64_t i = 0; i < count; ++i) {
      const float value = __builtin_fmaf(unit_float(draws[i]), to - from, from);
      y[first + i] = value == to ? from : value;
    }
  });
}

/// Calls f(i, u) with a 53-bit uniform for each i < n.
template <class F>
FULMEN_INLINE void each_double(Twister& twister, int64_t n, const F& f) {
  in_pieces<2>(twister, n, [&](int64_t first, int64_t count, const uint32_t* draws) {
    for (int64_t i = 0; i < count; ++i) {
      f(first + i, unit_double(static_cast<uint64_t>(draws[2 * i]) << 32 | draws[2 * i + 1]));
    }
  });
}

void uniform_double(double* y, int64_t n, double from, double to, Twister twister) {
  each_double(twister, n, [=](int64_t i, double u) {
    const double value = __builtin_fma(u, to - from, from);
    y[i] = value == to ? from : value;
  });
}

/// A number as an element; the 16-bit types convert through float.
template <class T, class V>
FULMEN_INLINE T element(V value) {
  if constexpr (sizeof(T) == 2 && !std::is_arithmetic_v<T>) {
    return T(static_cast<float>(value));
  } else {
    return static_cast<T>(value);
  }
}

template <class T>
void integers_as(T* y, int64_t n, IntegerRange r, Twister twister) {
  if (r.wide) {
    in_pieces<2>(twister, n, [=](int64_t first, int64_t count, const uint32_t* draws) {
      for (int64_t i = 0; i < count; ++i) {
        uint64_t value = static_cast<uint64_t>(draws[2 * i]) << 32 | draws[2 * i + 1];
        if (r.range != 0) value %= r.range;
        y[first + i] = element<T>(static_cast<int64_t>(value + static_cast<uint64_t>(r.base)));
      }
    });
  } else {
    const auto range = static_cast<uint32_t>(r.range);
    const bool divides = r.range >> 32 == 0;  // otherwise every draw is below the range already
    in_pieces<1>(twister, n, [=](int64_t first, int64_t count, const uint32_t* draws) {
      for (int64_t i = 0; i < count; ++i) {
        const uint32_t value = divides ? draws[i] % range : draws[i];
        y[first + i] = element<T>(static_cast<int64_t>(value) + r.base);
      }
    });
  }
}

template <class T>
void bernoulli_as(T* y, int64_t n, double p, Twister twister) {
  each_double(twister, n, [=](int64_t i, double u) { y[i] = element<T>(u < p ? 1 : 0); });
}

template <class T>
void bernoulli_each_as(T* y, const T* p, int64_t n, Twister twister) {
  if constexpr (sizeof(T) == 8) {
    each_double(twister, n, [=](int64_t i, double u) { y[i] = u < p[i] ? 1.0 : 0.0; });
  } else {
    in_pieces<1>(twister, n, [=](int64_t first, int64_t count, const uint32_t* draws) {
      for (int64_t i = first; i < first + count; ++i) {
        y[i] = T(unit_float(draws[i - first]) < static_cast<float>(p[i]) ? 1.0f : 0.0f);
      }
    });
  }
}

template <class T>
void exponential_as(T* y, int64_t n, double lambda, Twister twister) {
  each_double(twister, n, [=](int64_t i, double u) { y[i] = element<T>(-1.0 / lambda * std::log1p(-u)); });
}

// Fisher and Yates, from the front: entry i changes places with one of those from i on.
template <class T>
void permutation_as(T* y, int64_t n, Twister twister) {
  for (int64_t i = 0; i < n; ++i) y[i] = element<T>(i);
  const bool wide = n >= int64_t{0xffffffff} / 20;
  for (int64_t i = 0; i + 1 < n; ++i) {
    const auto left = static_cast<uint64_t>(n - i);
    const auto j =
        i + static_cast<int64_t>(wide ? twister.draw64() % left : twister.draw() % static_cast<uint32_t>(left));
    const T kept = y[i];
    y[i] = y[j];
    y[j] = kept;
  }
}

// Inversion: the first column whose running share reaches a uniform number.
template <class T>
void choices_as(const View& y, const T* weights, T* sums, int64_t cols, Twister twister) {
  const int64_t samples = y.size(-1), rows = samples > 0 ? y.numel / samples : 0;
  for (int64_t row = 0; row < rows; ++row) {
    T sum = T(0);
    for (int64_t c = 0; c < cols; ++c) {
      sum = T(sum + weights[row * cols + c]);
      sums[c] = sum;
    }
    for (int64_t c = 0; c < cols; ++c) sums[c] = T(sums[c] / sum);
    sums[cols - 1] = T(1);
    for (int64_t s = 0; s < samples; ++s) {
      const double u = unit_double(twister.draw64());
      int64_t low = 0, high = cols;
      while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (static_cast<double>(sums[middle]) < u) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      y.as<int64_t>()[row * samples + s] = low;
    }
  }
}

}  // namespace

void random_uniform(const Launch&, View y, double from, double to, RandomStream stream) {
  const auto low = static_cast<float>(from), high = static_cast<float>(to);
  switch (y.dtype) {
    case ScalarType::Half:
      return uniform_short(y.as<Half>(), y.numel, low, high, Twister(stream));
    case ScalarType::BFloat16:
      return uniform_short(y.as<BFloat16>(), y.numel, low, high, Twister(stream));
    case ScalarType::Float:
      return uniform_float(y.as<float>(), y.numel, low, high, Twister(stream));
    case ScalarType::Double:
      return uniform_double(y.as<double>(), y.numel, from, to, Twister(stream));
    default:
      return;
  }
}

void random_integers(const Launch&, View y, IntegerRange integers, RandomStream stream) {
  switch (y.dtype) {
#define X(T, N)       \
  case ScalarType::N: \
    return integers_as(y.as<T>(), y.numel, integers, Twister(stream));
    FULMEN_FOR_EACH_DTYPE(X)
#undef X
    case ScalarType::Undefined:
      return;
  }
}

void random_bernoulli(const Launch&, View y, double p, RandomStream stream) {
  switch (y.dtype) {
#define X(T, N)       \
  case ScalarType::N: \
    return bernoulli_as(y.as<T>(), y.numel, p, Twister(stream));
    FULMEN_FOR_EACH_DTYPE(X)
#undef X
    case ScalarType::Undefined:
      return;
  }
}

void random_bernoulli_each(const Launch&, View y, ConstView p, RandomStream stream) {
  switch (y.dtype) {
    case ScalarType::Half:
      return bernoulli_each_as(y.as<Half>(), p.as<Half>(), y.numel, Twister(stream));
    case ScalarType::BFloat16:
      return bernoulli_each_as(y.as<BFloat16>(), p.as<BFloat16>(), y.numel, Twister(stream));
    case ScalarType::Float:
      return bernoulli_each_as(y.as<float>(), p.as<float>(), y.numel, Twister(stream));
    case ScalarType::Double:
      return bernoulli_each_as(y.as<double>(), p.as<double>(), y.numel, Twister(stream));
    default:
      return;
  }
}

void random_exponential(const Launch&, View y, double lambda, RandomStream stream) {
  switch (y.dtype) {
    case ScalarType::Half:
      return exponential_as(y.as<Half>(), y.numel, lambda, Twister(stream));
    case ScalarType::BFloat16:
      return exponential_as(y.as<BFloat16>(), y.numel, lambda, Twister(stream));
    case ScalarType::Float:
      return exponential_as(y.as<float>(), y.numel, lambda, Twister(stream));
    case ScalarType::Double:
      return exponential_as(y.as<double>(), y.numel, lambda, Twister(stream));
    default:
      return;
  }
}

void random_permutation(const Launch&, View y, RandomStream stream) {
  switch (y.dtype) {
#define X(T, N)       \
  case ScalarType::N: \
    return permutation_as(y.as<T>(), y.numel, Twister(stream));
    FULMEN_FOR_EACH_DTYPE(X)
#undef X
    case ScalarType::Undefined:
      return;
  }
}

void random_choices(const Launch&, View y, ConstView weights, View sums, RandomStream stream) {
  const int64_t cols = weights.size(-1);
  switch (weights.dtype) {
    case ScalarType::Half:
      return choices_as(y, weights.as<Half>(), sums.as<Half>(), cols, Twister(stream));
    case ScalarType::BFloat16:
      return choices_as(y, weights.as<BFloat16>(), sums.as<BFloat16>(), cols, Twister(stream));
    case ScalarType::Float:
      return choices_as(y, weights.as<float>(), sums.as<float>(), cols, Twister(stream));
    case ScalarType::Double:
      return choices_as(y, weights.as<double>(), sums.as<double>(), cols, Twister(stream));
    default:
      return;
  }
}

}  // namespace fulmen::FULMEN_ISA
