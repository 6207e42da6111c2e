#pragma once
#include <fulmen/kernels/cpu/parallel.h>
#include <fulmen/kernels/reduce.h>

#include <cstddef>
#include <limits>
#include <type_traits>

// How a reduction walks memory, for all of them alike. The additions form a tree that only the shape decides: lanes of
// 32, blocks of rows, chunks of blocks; so the same numbers come out for any number of threads.
namespace fulmen::FULMEN_ISA {

/// Chunks of the reduced dimension, each reduced by one thread: more than one only where outputs alone cannot keep the
/// processors busy.
struct Chunks {
  int64_t count, length;
  FULMEN_INLINE static Chunks of(ReduceShape s) {
    constexpr int64_t work = 1 << 16, most = 64;
    int64_t total = s.outer * s.n * s.inner;
    if (total < 2 * work || s.outer * ((s.inner + 255) / 256) >= 16) return {1, s.n};
    int64_t count = total / work;
    if (count > most) count = most;
    if (count > s.n / 64) count = s.n / 64;
    if (count <= 1) return {1, s.n};
    int64_t length = ((s.n + count - 1) / count + 1023) / 1024 * 1024;
    return {(s.n + length - 1) / length, length};
  }
};

/// Reduces x[0], x[1], ..., x[n - 1].
template <class R, class In, class Center>
FULMEN_INLINE typename R::Acc reduce_row(const In* x, int64_t n, Center center) {
  using Acc = typename R::Acc;
  constexpr int lanes = 32, levels = 40;
  constexpr int64_t block = 128 * lanes;
  Acc pending[levels];  // pending[k]: the result of 2^k blocks, waiting for its neighbour
  int64_t done = 0, i = 0;
  Acc total = R::start();
  for (; i + lanes <= n;) {
    Acc acc[lanes];
    for (int l = 0; l < lanes; ++l) acc[l] = R::start();
    int64_t end = i + block < n ? i + block : n;
    for (; i + lanes <= end; i += lanes) {
      for (int l = 0; l < lanes; ++l) acc[l] = R::step(acc[l], x[i + l], center);
    }
    for (int width = lanes / 2; width > 0; width /= 2) {
      for (int l = 0; l < width; ++l) acc[l] = R::merge(acc[l], acc[l + width]);
    }
    Acc sum = acc[0];
    int level = 0;
    for (int64_t d = done; d & 1; d >>= 1) sum = R::merge(pending[level++], sum);
    pending[level] = sum;
    ++done;
  }
  for (; i < n; ++i) total = R::step(total, x[i], center);
  for (int level = 0; done >> level; ++level) {
    if (done >> level & 1) total = R::merge(pending[level], total);
  }
  return total;
}

/// Reduces `rows` rows of `width` <= 256 columns, `stride` apart, into out[0..width).
template <class R, class In, class Center>
void reduce_columns(const In* x, int64_t rows, int64_t stride, int64_t width, const Center* center,
                    typename R::Acc* out) {
  using Acc = typename R::Acc;
  // Three levels: 32 rows, 32 groups of 32 rows, the rest.
  Acc level0[256], level1[256];
  for (int64_t j = 0; j < width; ++j) out[j] = level0[j] = level1[j] = R::start();
  // Eight rows at a time, one after the other: the partial results are read and written once for all of them.
  constexpr int64_t together = 8;
  for (int64_t i = 0; i < rows; ++i) {
    const In* row = x + i * stride;
    if ((i & (together - 1)) == 0 && i + together <= rows) {
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) {
        Acc a = level0[j];
        Center c = center ? center[j] : Center();
        for (int64_t k = 0; k < together; ++k) a = R::step(a, row[k * stride + j], c);
        level0[j] = a;
      }
      i += together - 1;
    } else {
      for (int64_t j = 0; j < width; ++j) level0[j] = R::step(level0[j], row[j], center ? center[j] : Center());
    }
    if ((i & 31) == 31) {
      for (int64_t j = 0; j < width; ++j) {
        level1[j] = R::merge(level1[j], level0[j]);
        level0[j] = R::start();
      }
    }
    if ((i & 1023) == 1023) {
      for (int64_t j = 0; j < width; ++j) {
        out[j] = R::merge(out[j], level1[j]);
        level1[j] = R::start();
      }
    }
  }
  for (int64_t j = 0; j < width; ++j) out[j] = R::merge(R::merge(out[j], level1[j]), level0[j]);
}

/// One (outer index, column tile, chunk): its results to acc[0..width).
template <class R, class In>
FULMEN_INLINE void reduce_piece(const In* x, const In* center, ReduceShape s, int64_t o, int64_t j, int64_t width,
                                int64_t from, int64_t rows, typename R::Acc* acc) {
  const In* start = x + (o * s.n + from) * s.inner + j;
  const In* mid = center ? center + o * s.inner + j : nullptr;
  if (s.inner == 1) {
    acc[0] = reduce_row<R>(start, rows, mid ? *mid : In());
  } else {
    reduce_columns<R>(start, rows, s.inner, width, mid, acc);
  }
}

template <class R, class In, class Out>
void reduce_all(const View& y, const ConstView& x, const ConstView& center, ReduceShape s) {
  using Acc = typename R::Acc;
  constexpr int64_t tile = 256;
  const In *from = x.as<In>(), *mid = center.as<In>();
  Out* to = y.as<Out>();
  Chunks chunks = Chunks::of(s);
  int64_t tiles = (s.inner + tile - 1) / tile, pieces = s.outer * tiles * chunks.count;
  int64_t per_piece = s.n * (s.inner < tile ? s.inner : tile) / chunks.count + 1;
  Acc* partial = nullptr;
  if (chunks.count > 1) {
    partial = static_cast<Acc*>(__builtin_malloc(sizeof(Acc) * static_cast<size_t>(chunks.count * s.outer * s.inner)));
    if (!partial) chunks = {1, s.n};
  }
  parallel_for(pieces, (32768 + per_piece - 1) / per_piece, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      int64_t c = p % chunks.count, j = p / chunks.count % tiles * tile, o = p / chunks.count / tiles;
      int64_t width = s.inner - j < tile ? s.inner - j : tile, row = c * chunks.length;
      int64_t rows = s.n - row < chunks.length ? s.n - row : chunks.length;
      Acc local[tile];
      reduce_piece<R, In>(from, mid, s, o, j, width, row, rows, local);
      if (partial) {
        for (int64_t k = 0; k < width; ++k) partial[c * s.outer * s.inner + o * s.inner + j + k] = local[k];
      } else {
        for (int64_t k = 0; k < width; ++k) to[o * s.inner + j + k] = Out(R::finish(local[k]));
      }
    }
  });
  if (!partial) return;
  int64_t outputs = s.outer * s.inner;
  for (int64_t apart = 1; apart < chunks.count; apart *= 2) {
    for (int64_t c = 0; c + apart < chunks.count; c += 2 * apart) {
      Acc *a = partial + c * outputs, *b = partial + (c + apart) * outputs;
      for (int64_t k = 0; k < outputs; ++k) a[k] = R::merge(a[k], b[k]);
    }
  }
  for (int64_t k = 0; k < outputs; ++k) to[k] = Out(R::finish(partial[k]));
  __builtin_free(partial);
}

}  // namespace fulmen::FULMEN_ISA
