#include <fulmen/kernels/cpu/reduce.h>

namespace fulmen::FULMEN_ISA {

namespace {

template <class A>
struct SumOf {
  using Acc = A;
  FULMEN_INLINE static A start() { return A(0); }
  template <class T>
  FULMEN_INLINE static A step(A a, T x, T) {
    return a + A(x);
  }
  FULMEN_INLINE static A merge(A a, A b) { return a + b; }
  FULMEN_INLINE static A finish(A a) { return a; }
};

template <class A>
struct SumSquaresOf : SumOf<A> {
  template <class T>
  FULMEN_INLINE static A step(A a, T x, T) {
    return a + A(x) * A(x);
  }
};

template <class A>
struct SumSquaredDeviationOf : SumOf<A> {
  template <class T>
  FULMEN_INLINE static A step(A a, T x, T center) {
    A d = A(x) - A(center);
    return a + d * d;
  }
};

template <class A>
struct ProdOf {
  using Acc = A;
  FULMEN_INLINE static A start() { return A(1); }
  template <class T>
  FULMEN_INLINE static A step(A a, T x, T) {
    return a * A(x);
  }
  FULMEN_INLINE static A merge(A a, A b) { return a * b; }
  FULMEN_INLINE static A finish(A a) { return a; }
};

/// The largest or smallest value of A.
template <class A>
FULMEN_INLINE constexpr A extreme(bool largest) {
  if constexpr (std::numeric_limits<A>::has_infinity) {
    return largest ? std::numeric_limits<A>::infinity() : -std::numeric_limits<A>::infinity();
  } else {
    return largest ? std::numeric_limits<A>::max() : std::numeric_limits<A>::lowest();
  }
}

template <class A>
struct MaxOf {
  using Acc = A;
  FULMEN_INLINE static A start() { return extreme<A>(false); }
  // Written so that NaN on either side stays: no comparison with NaN is true.
  FULMEN_INLINE static A merge(A a, A b) { return a >= b ? a : (a != a ? a : b); }
  template <class T>
  FULMEN_INLINE static A step(A a, T x, T) {
    return merge(a, A(x));
  }
  FULMEN_INLINE static A finish(A a) { return a; }
};

template <class A>
struct MinOf {
  using Acc = A;
  FULMEN_INLINE static A start() { return extreme<A>(true); }
  FULMEN_INLINE static A merge(A a, A b) { return a <= b ? a : (a != a ? a : b); }
  template <class T>
  FULMEN_INLINE static A step(A a, T x, T) {
    return merge(a, A(x));
  }
  FULMEN_INLINE static A finish(A a) { return a; }
};

template <bool all>
struct Truth {
  using Acc = uint8_t;
  FULMEN_INLINE static uint8_t start() { return all; }
  FULMEN_INLINE static uint8_t merge(uint8_t a, uint8_t b) { return all ? a & b : a | b; }
  template <class T>
  FULMEN_INLINE static uint8_t step(uint8_t a, T x, T) {
    return merge(a, x != T(0));
  }
  FULMEN_INLINE static uint8_t finish(uint8_t a) { return a; }
};

template <class T>
void reduce_number(ReduceOp op, const View& y, const ConstView& x, const ConstView& center, ReduceShape s) {
  switch (op) {
    case ReduceOp::Sum:
      return reduce_all<SumOf<T>, T, T>(y, x, center, s);
    case ReduceOp::Prod:
      return reduce_all<ProdOf<T>, T, T>(y, x, center, s);
    case ReduceOp::Max:
      return reduce_all<MaxOf<T>, T, T>(y, x, center, s);
    case ReduceOp::Min:
      return reduce_all<MinOf<T>, T, T>(y, x, center, s);
    case ReduceOp::SumSquares:
      if constexpr (!std::is_integral_v<T>) reduce_all<SumSquaresOf<T>, T, T>(y, x, center, s);
      return;
    case ReduceOp::SumSquaredDeviation:
      if constexpr (!std::is_integral_v<T>) reduce_all<SumSquaredDeviationOf<T>, T, T>(y, x, center, s);
      return;
    default:
      return;
  }
}

template <class T>
void arg_typed(bool largest, const View& values, const View& positions, const ConstView& x, ReduceShape s) {
  const T* from = x.as<T>();
  T* value = values.numel > 0 ? values.as<T>() : nullptr;
  int64_t* position = positions.as<int64_t>();
  parallel_for(s.outer * s.inner, 32768 / (s.n + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const T* column = from + p / s.inner * s.n * s.inner + p % s.inner;
      T best = column[0];
      int64_t at = 0;
      for (int64_t i = 1; i < s.n && best == best; ++i) {
        T v = column[i * s.inner];
        if (v != v || (largest ? v > best : v < best)) {
          best = v;
          at = i;
        }
      }
      position[p] = at;
      if (value) value[p] = column[at * s.inner];
    }
  });
}

}  // namespace

void reduce(const Launch&, ReduceOp op, const View& y, const ConstView& x, const ConstView& center, ReduceShape shape) {
  switch (x.dtype) {
    case ScalarType::Float:
      return reduce_number<float>(op, y, x, center, shape);
    case ScalarType::Double:
      return reduce_number<double>(op, y, x, center, shape);
    case ScalarType::Long:
      return reduce_number<int64_t>(op, y, x, center, shape);
    case ScalarType::Half:
      return reduce_all<SumOf<float>, Half, Half>(y, x, center, shape);
    case ScalarType::BFloat16:
      return reduce_all<SumOf<float>, BFloat16, BFloat16>(y, x, center, shape);
    case ScalarType::Bool:
      return op == ReduceOp::All ? reduce_all<Truth<true>, bool, bool>(y, x, center, shape)
                                 : reduce_all<Truth<false>, bool, bool>(y, x, center, shape);
    default:
      return;
  }
}

void reduce_arg(const Launch&, bool largest, const View& values, const View& positions, const ConstView& x,
                ReduceShape shape) {
  switch (x.dtype) {
    case ScalarType::Float:
      return arg_typed<float>(largest, values, positions, x, shape);
    case ScalarType::Double:
      return arg_typed<double>(largest, values, positions, x, shape);
    case ScalarType::Long:
      return arg_typed<int64_t>(largest, values, positions, x, shape);
    default:
      return;
  }
}

}  // namespace fulmen::FULMEN_ISA
