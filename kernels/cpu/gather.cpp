#include <fulmen/kernels/cpu/parallel.h>
#include <fulmen/kernels/gather.h>

namespace fulmen::FULMEN_ISA {

namespace {

constexpr int64_t grain = 16384;

/// The dimensions before `dim`, `dim` itself and those behind it, of an index and of the two tensors that it connects:
/// `plain` is addressed by position like the index, `far` by the index's values along `dim`.
struct Paths {
  const ConstView& index;
  const int64_t *plain, *far;  ///< strides
  int dim;
  int64_t outer = 1, n, inner = 1;

  Paths(const ConstView& index_view, const int64_t* plain_strides, const int64_t* far_strides, int along)
      : index(index_view), plain(plain_strides), far(far_strides), dim(along), n(index_view.sizes[along]) {
    for (int d = 0; d < dim; ++d) outer *= index.sizes[d];
    for (int d = dim + 1; d < index.ndim; ++d) inner *= index.sizes[d];
  }

  struct Offsets {
    int64_t index = 0, plain = 0, far = 0;
  };
  /// Where position `at` of the dimensions [from, to) begins.
  FULMEN_INLINE void add(Offsets& o, int64_t at, int from, int to) const {
    for (int d = to - 1; d >= from; --d) {
      int64_t i = at % index.sizes[d];
      at /= index.sizes[d];
      o.index += i * index.strides[d];
      o.plain += i * plain[d];
      o.far += i * far[d];
    }
  }
  /// Whether the dimensions behind `dim` are one run of memory in both tensors, under one index.
  FULMEN_INLINE bool runs() const {
    int64_t step = 1;
    for (int d = index.ndim - 1; d > dim; --d) {
      if (index.sizes[d] == 1) continue;
      if (index.strides[d] != 0 || plain[d] != step || far[d] != step) return false;
      step *= index.sizes[d];
    }
    return true;
  }
};

template <class T>
void gather_as(const View& y, const ConstView& x, const ConstView& index, int dim) {
  Paths p(index, y.strides, x.strides, dim);
  T* to = y.as<T>();
  const T* from = x.as<T>();
  const auto* positions = index.as<int64_t>();
  bool runs = p.runs();
  parallel_for(p.outer * p.n, grain / p.inner + 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      Paths::Offsets base;
      p.add(base, row / p.n, 0, dim);
      int64_t i = row % p.n;
      base.index += i * index.strides[dim];
      base.plain += i * y.strides[dim];
      if (runs) {
        const T* source = from + base.far + positions[base.index] * x.strides[dim];
        for (int64_t k = 0; k < p.inner; ++k) to[base.plain + k] = source[k];
        continue;
      }
      for (int64_t k = 0; k < p.inner; ++k) {
        Paths::Offsets o = base;
        p.add(o, k, dim + 1, index.ndim);
        to[o.plain] = from[o.far + positions[o.index] * x.strides[dim]];
      }
    }
  });
}

template <class T>
FULMEN_INLINE T sum_of(T a, T b, double alpha) {
  if constexpr (std::is_same_v<T, bool>) {
    return a || (b && alpha != 0);
  } else if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<uint64_t>(a) +
                          static_cast<uint64_t>(static_cast<int64_t>(alpha)) * static_cast<uint64_t>(b));
  } else if constexpr (std::is_same_v<T, double>) {
    return a + alpha * b;
  } else {
    return T(static_cast<float>(a) + static_cast<float>(alpha) * static_cast<float>(b));
  }
}

// Elements that may meet differ in `dim` only, so threads share the other dimensions.
template <class T>
void scatter_add_as(const View& y, const ConstView& index, const ConstView& source, int dim, double alpha) {
  Paths p(index, source.strides, y.strides, dim);
  T* to = y.as<T>();
  const T* from = source.as<T>();
  const auto* positions = index.as<int64_t>();
  bool runs = p.runs();
  int64_t pieces = runs && p.outer == 1 && p.n * p.inner > 2 * grain ? (p.inner + 63) / 64 : 1;
  int64_t width = (p.inner + pieces - 1) / pieces;
  parallel_for(p.outer * pieces, grain / (p.n * width + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      Paths::Offsets base;
      p.add(base, piece / pieces, 0, dim);
      int64_t first = piece % pieces * width, last = first + width < p.inner ? first + width : p.inner;
      for (int64_t i = 0; i < p.n; ++i) {
        Paths::Offsets at = base;
        at.index += i * index.strides[dim];
        at.plain += i * source.strides[dim];
        if (runs) {
          T* row = to + at.far + positions[at.index] * y.strides[dim];
          const T* added = from + at.plain;
#pragma omp simd
          for (int64_t k = first; k < last; ++k) row[k] = sum_of(row[k], added[k], alpha);
          continue;
        }
        for (int64_t k = first; k < last; ++k) {
          Paths::Offsets o = at;
          p.add(o, k, dim + 1, index.ndim);
          T& target = to[o.far + positions[o.index] * y.strides[dim]];
          target = sum_of(target, from[o.plain], alpha);
        }
      }
    }
  });
}

}  // namespace

// Values are moved as bits.
void gather(const Launch&, const View& y, const ConstView& x, const ConstView& index, int dim) {
  if (y.numel == 0) return;
  switch (element_size(y.dtype)) {
    case 1:
      return gather_as<uint8_t>(y, x, index, dim);
    case 2:
      return gather_as<uint16_t>(y, x, index, dim);
    case 4:
      return gather_as<uint32_t>(y, x, index, dim);
    default:
      return gather_as<uint64_t>(y, x, index, dim);
  }
}

void scatter_add(const Launch&, const View& y, const ConstView& index, const ConstView& source, int dim, double alpha) {
  if (index.numel == 0) return;
  switch (y.dtype) {
#define X(T, N)       \
  case ScalarType::N: \
    return scatter_add_as<T>(y, index, source, dim, alpha);
    FULMEN_FOR_EACH_DTYPE(X)
#undef X
    default:
      return;
  }
}

void nonzero(const Launch&, const View& y, const ConstView& x) {
  const auto* from = x.as<bool>();
  auto* to = y.as<int64_t>();
  for (int64_t i = 0; i < x.numel; ++i) {
    if (!from[i]) continue;
    int64_t rest = i;
    for (int d = x.ndim - 1; d >= 0; --d) {
      to[d] = rest % x.sizes[d];
      rest /= x.sizes[d];
    }
    to += x.ndim;
  }
}

}  // namespace fulmen::FULMEN_ISA
