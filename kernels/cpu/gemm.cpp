#include <fulmen/kernels/cpu/gemm_product.h>
#include <fulmen/kernels/gemm.h>

namespace fulmen::FULMEN_ISA {

namespace {

/// A view of one product of a batch: the last two dimensions, at the offset of the batch index.
template <class T, class AnyView>
Matrix<T> matrix_at(const AnyView& v, int64_t batch, const View& c) {
  if (!v.data) return {nullptr, 0, 0};
  int64_t offset = 0;
  for (int d = c.ndim - 3; d >= 0; --d) {
    offset += batch % c.sizes[d] * v.strides[d];
    batch /= c.sizes[d];
  }
  return {v.template as<std::remove_const_t<T>>() + offset, v.stride(-2), v.stride(-1)};
}

/// float16 and bfloat16: the sums are float32, and only the end result is rounded.
template <class S>
void product_in_float(const Product<S, float>& p, Matrix<S> c, Matrix<const S> add) {
  auto* sums = static_cast<float*>(thread_scratch(Scratch::Result, sizeof(float) * p.rows * p.cols));
  Product<S, float> q = p;
  q.c = {sums, p.cols, 1};
  multiply_packed(q);
  parallel_for(p.rows, divide_up(1 << 14, p.cols + 1), [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      for (int64_t j = 0; j < p.cols; ++j) {
        float value = sums[i * p.cols + j];
        if (add.data) value += p.end.beta * static_cast<float>(*add.at(i, j));
        *c.at(i, j) = S(value);
      }
    }
  });
}

/// Integers wrap around: unsigned 64-bit arithmetic gives the right low bits for every width.
template <class T>
void product_of_integers(int64_t rows, int64_t cols, int64_t depth, Matrix<T> c, Matrix<const T> a, Matrix<const T> b,
                         Matrix<const T> add, GemmScale scale) {
  auto alpha = static_cast<uint64_t>(static_cast<int64_t>(scale.alpha));
  auto beta = static_cast<uint64_t>(static_cast<int64_t>(scale.beta));
  parallel_for(rows, divide_up(1 << 15, cols * depth + 1), [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      for (int64_t j = 0; j < cols; ++j) {
        uint64_t sum = 0;
        for (int64_t k = 0; k < depth; ++k) {
          sum += static_cast<uint64_t>(*a.at(i, k)) * static_cast<uint64_t>(*b.at(k, j));
        }
        sum *= alpha;
        if (add.data) sum += beta * static_cast<uint64_t>(*add.at(i, j));
        *c.at(i, j) = static_cast<T>(sum);
      }
    }
  });
}

template <class T>
void products(const View& c, const ConstView& a, const ConstView& b, const ConstView& add, GemmScale scale) {
  int64_t rows = c.size(-2), cols = c.size(-1), depth = a.size(-1);
  int64_t batches = c.numel / (rows * cols);
  auto one = [&](int64_t n) {
    auto c_n = matrix_at<T>(c, n, c);
    auto a_n = matrix_at<const T>(a, n, c), b_n = matrix_at<const T>(b, n, c), add_n = matrix_at<const T>(add, n, c);
    if constexpr (std::is_integral_v<T>) {
      product_of_integers<T>(rows, cols, depth, c_n, a_n, b_n, add_n, scale);
    } else if constexpr (sizeof(T) == 2) {
      Epilogue<float> end{{nullptr, 0, 0}, static_cast<float>(scale.alpha), static_cast<float>(scale.beta), false};
      product_in_float<T>({rows, cols, depth, a_n, b_n, {}, end}, c_n, add_n);
    } else {
      Epilogue<T> end{add_n, static_cast<T>(scale.alpha), static_cast<T>(scale.beta), false};
      multiply<T>({rows, cols, depth, a_n, b_n, c_n, end});
    }
  };
  if (batches == 1) return one(0);
  // Whole products go to threads; a few large ones are cut inside instead.
  int64_t work = rows * cols * (depth + 1);
  bool inside = batches < 4 && work >= parallel_work;
  parallel_for(batches, inside ? batches : divide_up(parallel_work / 2, work), [&](int64_t first, int64_t last) {
    for (int64_t n = first; n < last; ++n) one(n);
  });
}

}  // namespace

void gemm(const Launch&, const View& c, const ConstView& a, const ConstView& b, const ConstView& add, GemmScale scale) {
  if (c.numel == 0) return;
  switch (c.dtype) {
#define X(T, N)       \
  case ScalarType::N: \
    return products<T>(c, a, b, add, scale);
    X(float, Float)
    X(double, Double)
    X(Half, Half)
    X(BFloat16, BFloat16)
    X(uint8_t, Byte)
    X(int8_t, Char)
    X(int16_t, Short)
    X(int32_t, Int)
    X(int64_t, Long)
#undef X
    default:
      return;
  }
}

}  // namespace fulmen::FULMEN_ISA
