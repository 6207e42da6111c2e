#pragma once
#include <fulmen/kernels/attention.h>
#include <fulmen/kernels/cpu/gemm_product.h>
#include <fulmen/kernels/cpu/math.h>

// Blocks of attention scores, for the forward and the backward pass.
namespace fulmen::FULMEN_ISA {

/// Queries and keys of a block: its scores stay in the second-level cache, and the block of rows is a multiple of every
/// tile's height.
inline constexpr int64_t query_block = 96, key_block = 128;

template <class T>
inline constexpr T minus_infinity = T(-__builtin_inf());

/// What one head of one batch element sees: matrices of [time, features].
template <class T>
struct AttentionHead {
  Matrix<const T> q, k, v;
  ConstView mask;  ///< data is that of [b, h, 0, 0]
  int64_t queries, keys, features, out_features;
  T scale;
  bool causal;

  AttentionHead(const ConstView& q_, const ConstView& k_, const ConstView& v_, const ConstView& mask_,
                const AttentionSettings& settings, int64_t b, int64_t h)
      : q(at(q_, b, h)),
        k(at(k_, b, h / (q_.sizes[1] / k_.sizes[1]))),
        v(at(v_, b, h / (q_.sizes[1] / k_.sizes[1]))),
        mask(mask_),
        queries(q_.sizes[2]),
        keys(k_.sizes[2]),
        features(q_.sizes[3]),
        out_features(v_.sizes[3]),
        scale(static_cast<T>(settings.scale)),
        causal(settings.causal) {
    if (!mask.data) return;
    const int64_t offset = b * mask.strides[0] + h * mask.strides[1];
    mask.data = static_cast<const char*>(mask.data) + offset * (mask.dtype == ScalarType::Bool ? 1 : sizeof(T));
  }
  static Matrix<const T> at(const ConstView& x, int64_t b, int64_t h) {
    return {x.as<T>() + b * x.strides[0] + h * x.strides[1], x.strides[2], x.strides[3]};
  }
  static Matrix<T> at(const View& x, int64_t b, int64_t h) {
    return {x.as<T>() + b * x.strides[0] + h * x.strides[1], x.strides[2], x.strides[3]};
  }

  /// Keys of block [j, j + cols) that query i sees; the rest is masked by position.
  int64_t visible(int64_t i, int64_t j, int64_t cols) const {
    if (!causal) return cols;
    return i < j ? 0 : smaller(cols, i - j + 1);
  }

  /// s [rows, key_block] = scale q k^T + mask for queries from i and keys from j on.
  void scores(int64_t i, int64_t rows, int64_t j, int64_t cols, T* s) const {
    multiply<T>({rows,
                 cols,
                 features,
                 q.from(i, 0),
                 k.from(j, 0).transposed(),
                 {s, key_block, 1},
                 {{nullptr, 0, 0}, scale, T(0), false}});
    if (!mask.data) return;
    for (int64_t r = 0; r < rows; ++r) add_mask(i + r, j, cols, s + r * key_block);
  }

 private:
  void add_mask(int64_t i, int64_t j, int64_t cols, T* s) const {
    const int64_t step = mask.strides[3], first = i * mask.strides[2] + j * step;
    if (mask.dtype == ScalarType::Bool) {
      const auto* seen = mask.as<uint8_t>() + first;
      for (int64_t c = 0; c < cols; ++c) s[c] = seen[c * step] ? s[c] : minus_infinity<T>;
    } else if (step == 1) {
      const T* add = mask.as<T>() + first;
      for (int64_t c = 0; c < cols; ++c) s[c] += add[c];
    } else {
      const T* add = mask.as<T>() + first;
      for (int64_t c = 0; c < cols; ++c) s[c] += add[c * step];
    }
  }
};

/// c (+)= alpha a b
template <class T>
FULMEN_INLINE void add_product(int64_t rows, int64_t cols, int64_t depth, Matrix<const T> a, Matrix<const T> b,
                               Matrix<T> c, T alpha, bool accumulate) {
  multiply<T>({rows, cols, depth, a, b, c, {{nullptr, 0, 0}, alpha, T(0), accumulate}});
}

/// x[i] = exp(x[i] - most)
template <class T>
__attribute__((noinline)) static void exp_row(T* __restrict x, int64_t n, T most) {
  for (int64_t i = 0; i < n; ++i) x[i] = math::exp(x[i] - most);
}

/// Calls f<T> for float32 and float64.
template <class F>
FULMEN_INLINE void for_full_precision(ScalarType dtype, const F& f) {
  if (dtype == ScalarType::Float) f(static_cast<float*>(nullptr));
  if (dtype == ScalarType::Double) f(static_cast<double*>(nullptr));
}

}  // namespace fulmen::FULMEN_ISA
