#include <fulmen/kernels/cpu/gemm_product.h>
#include <fulmen/kernels/gemm_activation.h>

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
void product_in_float(const Product<S, float>& p, Matrix<S> c, Matrix<const S> add, GemmActivation activation) {
  auto* sums = static_cast<float*>(thread_scratch(Scratch::Result, sizeof(float) * p.rows * p.cols));
  Product<S, float> q = p;
  q.c = {sums, p.cols, 1};
  multiply_packed(q);
  parallel_for(p.rows, divide_up(1 << 14, p.cols + 1), [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      for (int64_t j = 0; j < p.cols; ++j) {
        float value = sums[i * p.cols + j];
        if (add.data) value += p.end.beta * static_cast<float>(*add.at(i, j));
        with_activation(activation, [&](auto functor) { value = functor.apply(value); });
        *c.at(i, j) = S(value);
      }
    }
  });
}

/// sums[i] = sum over k of a(i, k), in double: for a whole column of rows at a time where these are the neighbours.
template <class T>
void sum_depth(int64_t rows, int64_t depth, Matrix<const T> a, T* sums) {
  constexpr int64_t height = 64;
  parallel_for(divide_up(rows, height), divide_up(1 << 15, height * depth + 1), [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; ++block) {
      const int64_t begin = block * height, count = smaller(height, rows - begin);
      double total[height] = {};
      if (a.row <= a.col) {
        for (int64_t k = 0; k < depth; ++k) {
          const T* column = a.at(begin, k);
          if (a.row == 1) {
            for (int64_t i = 0; i < count; ++i) total[i] += static_cast<double>(column[i]);
          } else {
            for (int64_t i = 0; i < count; ++i) total[i] += static_cast<double>(column[i * a.row]);
          }
        }
      } else {
        for (int64_t i = 0; i < count; ++i) {
          for (int64_t k = 0; k < depth; ++k) total[i] += static_cast<double>(*a.at(begin + i, k));
        }
      }
      for (int64_t i = 0; i < count; ++i) sums[begin + i] = static_cast<T>(static_cast<Compute<T>>(total[i]));
    }
  });
}

/// In a pass of its own: the product's last pass over c is vectorised by hand, an activation by the compiler.
template <class T>
void activate(const View& c, GemmActivation activation) {
  auto* y = c.as<T>();
  parallel_for(c.numel, 1 << 14, [&](int64_t first, int64_t last) {
    with_activation(activation, [&](auto functor) {
#pragma omp simd
      for (int64_t i = first; i < last; ++i) y[i] = functor.apply(y[i]);
    });
  });
}

/// Integers wrap around: unsigned 64-bit arithmetic gives the right low bits for every width.
template <class T>
void product_of_integers(int64_t rows, int64_t cols, int64_t depth, Matrix<T> c, Matrix<const T> a, Matrix<const T> b,
                         Matrix<const T> add, GemmEnd end) {
  auto alpha = static_cast<uint64_t>(static_cast<int64_t>(end.alpha));
  auto beta = static_cast<uint64_t>(static_cast<int64_t>(end.beta));
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
void products(const View& c, const ConstView& a, const ConstView& b, const ConstView& add, GemmEnd end) {
  int64_t rows = c.size(-2), cols = c.size(-1), depth = a.size(-1);
  int64_t batches = c.numel / (rows * cols);
  auto one = [&](int64_t n) {
    auto c_n = matrix_at<T>(c, n, c);
    auto a_n = matrix_at<const T>(a, n, c), b_n = matrix_at<const T>(b, n, c), add_n = matrix_at<const T>(add, n, c);
    if constexpr (!std::is_integral_v<T>) {
      if (end.a_sums) sum_depth(rows, depth, a_n, static_cast<T*>(end.a_sums));
    }
    if constexpr (std::is_integral_v<T>) {
      product_of_integers<T>(rows, cols, depth, c_n, a_n, b_n, add_n, end);
    } else if constexpr (sizeof(T) == 2) {
      Epilogue<float> epilogue{{nullptr, 0, 0}, static_cast<float>(end.alpha), static_cast<float>(end.beta), false};
      product_in_float<T>({rows, cols, depth, a_n, b_n, {}, epilogue}, c_n, add_n, end.activation);
    } else {
      Epilogue<T> epilogue{add_n, static_cast<T>(end.alpha), static_cast<T>(end.beta), false};
      multiply<T>({rows, cols, depth, a_n, b_n, c_n, epilogue});
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

void gemm(const Launch&, const View& c, const ConstView& a, const ConstView& b, const ConstView& add, GemmEnd end) {
  if (c.numel == 0) return;
  switch (c.dtype) {
#define X(T, N)                     \
  case ScalarType::N:               \
    products<T>(c, a, b, add, end); \
    break;
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
  if (end.activation == GemmActivation::none) return;
  if (c.dtype == ScalarType::Float) activate<float>(c, end.activation);
  if (c.dtype == ScalarType::Double) activate<double>(c, end.activation);
}

}  // namespace fulmen::FULMEN_ISA
