#include <fulmen/kernels/cpu/attention.h>

// Online softmax (Milakov and Gimelshein 2018; Dao et al. 2022): a block of queries goes through the keys in blocks.
// Whenever a larger score appears, what was summed so far is scaled down. Scores and sums come from the tiles of the
// matrix product. A task is a block of queries of one head, so nothing depends on the number of threads.
namespace fulmen::FULMEN_ISA {

namespace {

template <class T>
void scale_row(T* x, int64_t n, T factor) {
  for (int64_t i = 0; i < n; ++i) x[i] *= factor;
}

/// Scores of a row become exp(score - the largest so far), 0 from `visible` on. Returns what earlier sums shrink by.
template <class T>
T take_row(T* s, int64_t visible, int64_t cols, T* most, T* sum) {
  const T before = *most;
  T above = before;
  if (visible > 0) {
    const T largest = max_of(visible, s);
    above = largest > before || largest != largest ? largest : before;
  }
  const T base = above == minus_infinity<T> ? T(0) : above;
  exp_row(s, visible, base);
  for (int64_t c = visible; c < cols; ++c) s[c] = T(0);
  const T factor = before == minus_infinity<T> ? T(0) : math::exp(before - base);
  *sum = *sum * factor + static_cast<T>(sum_of<T>(
                             visible, [](auto e) { return e; }, s));
  *most = above;
  return factor;
}

/// Queries [i, i + rows).
template <class T>
void attend(const AttentionHead<T>& head, int64_t i, int64_t rows, Matrix<T> y, T* lse) {
  auto* s = static_cast<T*>(thread_scratch(Scratch::Result, sizeof(T) * static_cast<size_t>(query_block * key_block)));
  T most[query_block], sum[query_block];
  for (int64_t r = 0; r < rows; ++r) {
    most[r] = minus_infinity<T>;
    sum[r] = T(0);
  }
  const int64_t end = head.causal ? smaller(head.keys, i + rows) : head.keys;
  for (int64_t j = 0; j < end; j += key_block) {
    const int64_t cols = smaller(key_block, end - j);
    head.scores(i, rows, j, cols, s);
    for (int64_t r = 0; r < rows; ++r) {
      const T factor = take_row(s + r * key_block, head.visible(i + r, j, cols), cols, most + r, sum + r);
      if (j > 0 && factor != T(1)) scale_row(y.at(i + r, 0), head.out_features, factor);
    }
    add_product<T>(rows, head.out_features, cols, {s, key_block, 1}, head.v.from(j, 0), y.from(i, 0), T(1), j > 0);
  }
  for (int64_t r = 0; r < rows; ++r) {
    const bool none = most[r] == minus_infinity<T>;
    if (none && sum[r] == T(0)) {
      for (int64_t d = 0; d < head.out_features; ++d) *y.at(i + r, d) = T(0);
    } else {
      scale_row(y.at(i + r, 0), head.out_features, T(1) / sum[r]);
    }
    lse[i + r] = none ? minus_infinity<T> : most[r] + math::log(sum[r]);
  }
}

}  // namespace

void attention(const Launch&, const View& y, const View& lse, const ConstView& q, const ConstView& k,
               const ConstView& v, const ConstView& mask, const AttentionSettings& settings) {
  const int64_t heads = q.sizes[1], queries = q.sizes[2];
  if (lse.numel == 0) return;
  const int64_t blocks = divide_up(queries, query_block);
  const int64_t work = smaller(queries, query_block) * k.sizes[2] * (q.sizes[3] + v.sizes[3] + 32);
  for_full_precision(q.dtype, [&]<class T>(T*) {
    parallel_for(q.sizes[0] * heads * blocks, divide_up(1 << 19, work + 1), [&](int64_t first, int64_t last) {
      for (int64_t task = first; task < last; ++task) {
        const int64_t bh = task / blocks, b = bh / heads, h = bh % heads, i = task % blocks * query_block;
        const AttentionHead<T> head(q, k, v, mask, settings, b, h);
        attend<T>(head, i, smaller(query_block, queries - i), AttentionHead<T>::at(y, b, h),
                  lse.as<T>() + bh * queries);
      }
    });
  });
}

}  // namespace fulmen::FULMEN_ISA
