#include <fulmen/kernels/cpu/attention.h>

// Probabilities are computed again from scores and lse, a block at a time. A key's gradients are sums over queries, a
// query's is a sum over keys: one task walks all blocks of the query heads that share a key head. Where there are few
// of those, keys and queries go in separate passes, which compute each block twice and add in the same order.
namespace fulmen::FULMEN_ISA {

namespace {

template <class T>
struct Gradients {
  Matrix<const T> y, gy;
  Matrix<T> gq, gk, gv;
  const T* lse;
};

/// p (scores before) = exp(s - lse), ds (dp before) = p (dp - delta); 0 from `visible` on.
template <class T>
__attribute__((noinline)) void slope_row(T* __restrict p, T* __restrict ds, int64_t visible, int64_t cols, T lse,
                                         T delta) {
  if (lse == minus_infinity<T>) visible = 0;
  for (int64_t c = 0; c < visible; ++c) p[c] = math::exp(p[c] - lse);
  for (int64_t c = 0; c < visible; ++c) ds[c] = p[c] * (ds[c] - delta);
  for (int64_t c = visible; c < cols; ++c) p[c] = ds[c] = T(0);
}

template <class T>
T dot(const T* a, const T* b, int64_t n) {
  return static_cast<T>(sum_of<T>(
      n, [](auto x, auto y) { return x * y; }, a, b));
}

/// What queries [i, i + rows) and keys [j, j + cols) of one head give to the gradients that are asked for.
template <class T>
void add_block(const AttentionHead<T>& head, const Gradients<T>& g, int64_t i, int64_t rows, int64_t j, int64_t cols,
               bool keys, bool first_of_keys, bool queries) {
  constexpr int64_t block = query_block * key_block;
  auto* p = static_cast<T*>(thread_scratch(Scratch::Result, sizeof(T) * static_cast<size_t>(2 * block)));
  T* ds = p + block;
  head.scores(i, rows, j, cols, p);
  add_product<T>(rows, cols, head.out_features, g.gy.from(i, 0), head.v.from(j, 0).transposed(), {ds, key_block, 1},
                 T(1), false);
  for (int64_t r = 0; r < rows; ++r) {
    const T delta = dot(g.y.at(i + r, 0), g.gy.at(i + r, 0), head.out_features);
    slope_row(p + r * key_block, ds + r * key_block, head.visible(i + r, j, cols), cols, g.lse[i + r], delta);
  }
  if (keys) {
    add_product<T>(cols, head.out_features, rows, {p, 1, key_block}, g.gy.from(i, 0), g.gv.from(j, 0), T(1),
                   !first_of_keys);
    add_product<T>(cols, head.features, rows, {ds, 1, key_block}, head.q.from(i, 0), g.gk.from(j, 0), head.scale,
                   !first_of_keys);
  }
  if (queries) {
    add_product<T>(rows, head.features, cols, {ds, key_block, 1}, head.k.from(j, 0), g.gq.from(i, 0), head.scale,
                   j > 0);
  }
}

template <class T>
void clear(Matrix<T> x, int64_t row, int64_t rows, int64_t cols) {
  for (int64_t r = row; r < row + rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) *x.at(r, c) = T(0);
  }
}

}  // namespace

void attention_backward(const Launch&, const View& gq, const View& gk, const View& gv, const ConstView& q,
                        const ConstView& k, const ConstView& v, const ConstView& mask, const ConstView& y,
                        const ConstView& lse, const ConstView& gy, const AttentionSettings& settings) {
  const int64_t heads = q.sizes[1], key_heads = k.sizes[1], group = heads / key_heads;
  const int64_t queries = q.sizes[2], keys = k.sizes[2], batch = q.sizes[0];
  const int64_t key_blocks = divide_up(keys, key_block), query_blocks = divide_up(queries, query_block);
  for_full_precision(q.dtype, [&]<class T>(T*) {
    using Head = AttentionHead<T>;
    auto gradients = [&](int64_t b, int64_t h) {
      return Gradients<T>{Head::at(y, b, h),          Head::at(gy, b, h),
                          Head::at(gq, b, h),         Head::at(gk, b, h / group),
                          Head::at(gv, b, h / group), lse.as<T>() + (b * heads + h) * queries};
    };
    // Keys [j, j + cols) of one key head; their queries as well if these take no pass of their own.
    auto key_pass = [&](int64_t b, int64_t key_head, int64_t block, bool queries_too) {
      const int64_t j = block * key_block, cols = smaller(key_block, keys - j);
      bool first = true;
      for (int64_t h = key_head * group; h < (key_head + 1) * group; ++h) {
        const Head head(q, k, v, mask, settings, b, h);
        for (int64_t i = settings.causal ? j / query_block * query_block : 0; i < queries; i += query_block) {
          add_block<T>(head, gradients(b, h), i, smaller(query_block, queries - i), j, cols, true, first, queries_too);
          first = false;
        }
      }
      if (!first) return;
      clear(Head::at(gk, b, key_head), j, cols, k.sizes[3]);
      clear(Head::at(gv, b, key_head), j, cols, v.sizes[3]);
    };
    auto query_pass = [&](int64_t b, int64_t h, int64_t block) {
      const int64_t i = block * query_block, rows = smaller(query_block, queries - i);
      const Head head(q, k, v, mask, settings, b, h);
      for (int64_t j = 0; j < keys && (!settings.causal || j < i + rows); j += key_block)
        add_block<T>(head, gradients(b, h), i, rows, j, smaller(key_block, keys - j), false, false, true);
    };
    if (keys == 0) {
      for (int64_t n = 0; n < batch * heads; ++n) clear(Head::at(gq, n / heads, n % heads), 0, queries, q.sizes[3]);
      return;
    }
    const int64_t together = batch * key_heads;
    const int64_t work = group * queries * keys * (2 * q.sizes[3] + v.sizes[3]);
    if (together >= 2 * get_num_threads() || key_blocks * query_blocks == 1 || get_num_threads() == 1) {
      parallel_for(together, divide_up(1 << 18, work + 1), [&](int64_t first, int64_t last) {
        for (int64_t n = first; n < last; ++n) {
          for (int64_t block = 0; block < key_blocks; ++block) key_pass(n / key_heads, n % key_heads, block, true);
        }
      });
      return;
    }
    parallel_for(together * key_blocks, 1, [&](int64_t first, int64_t last) {
      for (int64_t n = first; n < last; ++n)
        key_pass(n / key_blocks / key_heads, n / key_blocks % key_heads, n % key_blocks, false);
    });
    parallel_for(batch * heads * query_blocks, 1, [&](int64_t first, int64_t last) {
      for (int64_t n = first; n < last; ++n)
        query_pass(n / query_blocks / heads, n / query_blocks % heads, n % query_blocks);
    });
  });
}

}  // namespace fulmen::FULMEN_ISA
