#include <fulmen/kernels/cpu/gemm_product.h>
#include <fulmen/kernels/recurrent_cells.h>

// Weights are packed once for all steps. A task computes all gates of a few neighbouring hidden units for its
// sequences, and goes on to the new state while the sums are in the first-level cache. With many sequences a thread
// goes through all steps of some of them, without waiting for the others at every step.
namespace fulmen::FULMEN_ISA {

namespace {

using cell::Step;
using cell::StepWalk;

/// Rows whose sums a task keeps at a time; a multiple of the tile's height.
constexpr int64_t row_part = 48;

template <class T>
struct Layer {
  int64_t hidden;
  const T *x, *h0, *c0, *w, *b;
  T *h, *c, *kept;
};
template <class T>
struct Slopes {
  int64_t hidden, sequences;
  const T *h, *c, *kept, *h0, *c0, *w, *gh, *gc;
  T *g, *gh0, *gc0;
};

/// Null stays null.
template <class T>
FULMEN_INLINE T* moved(T* data, int64_t by) {
  return data ? data + by : nullptr;
}

/// Calls f(begin, end) on ranges of sequences, which know nothing of each other: with a few tiles' worth of them for
/// every thread, each thread goes through all steps alone. Otherwise f gets all, and shares the units of each step.
template <class F>
FULMEN_INLINE void for_sequences(const RecurrentSteps& steps, int64_t work_per_row, const F& f) {
  const int64_t sequences = steps.count > 0 ? steps.sizes[0] : 0;
  if (sequences < 2 * direct_rows * get_num_threads()) return f(int64_t{0}, sequences);
  const int64_t grain = divide_up(1 << 20, steps.count * work_per_row + 1);
  parallel_for(sequences, grain < 2 ? 2 : grain, f);
}

/// c [rows, packed_cols] (+)= a b, b packed.
template <class T>
void add_tiles(int64_t rows, int64_t depth, const T* a, int64_t a_row, const T* b, Matrix<T> c, int64_t cols,
               bool accumulate) {
  const Epilogue<T> end{{nullptr, 0, 0}, T(1), T(0), accumulate};
  for (int64_t i = 0; i < rows; i += direct_rows) {
    const int64_t count = smaller(direct_rows, rows - i);
    direct_tiles<T>[1][count - 1](depth, a + i * a_row, a_row, 1, b, packed_cols<T>, c.from(i, 0), end, count, cols);
  }
}

/// New states of units [0, n) of a row; gates lie `apart` elements apart in x, sums in y packed_cols.
template <class Cell, bool biased, class T>
__attribute__((noinline)) void state_row(int64_t n, int64_t apart, const T* x, const T* y, const T* b,
                                         const T* h_before, const T* c_before, T* h, T* c, T* kept) {
#pragma omp simd
  for (int64_t u = 0; u < n; ++u) {
    T in[Cell::gates], sum[Cell::gates], keep[cell::kept_size<Cell>], new_h, new_c;
#pragma GCC unroll 4
    for (int k = 0; k < Cell::gates; ++k) {
      in[k] = x[k * apart + u];
      sum[k] = y[k * packed_cols<T> + u];
      if constexpr (biased) sum[k] += b[k * apart + u];
    }
    Cell::forward(in, sum, h_before[u], Cell::has_c ? c_before[u] : T(0), keep, new_h, new_c);
    h[u] = new_h;
    if constexpr (Cell::has_c) c[u] = new_c;
#pragma GCC unroll 4
    for (int k = 0; k < Cell::kept; ++k) kept[k * apart + u] = keep[k];
  }
}

/// Units [u, u + n) of rows [r, r + rows) of a step, all of which have their state before from `before` on.
template <class Cell, class T>
void advance(const Layer<T>& p, const T* packed, const Step& step, int64_t r, int64_t rows, const T* h_before,
             const T* c_before, int64_t u, int64_t n, T* sums) {
  const int64_t hidden = p.hidden, pitch = Cell::gates * packed_cols<T>;
  for (int k = 0; k < Cell::gates; ++k) {
    add_tiles<T>(rows, hidden, h_before, hidden, packed + k * hidden * packed_cols<T>,
                 {sums + k * packed_cols<T>, pitch, 1}, n, false);
  }
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t row = step.first + r + i;
    auto row_of = p.b ? state_row<Cell, true, T> : state_row<Cell, false, T>;
    row_of(n, hidden, p.x + row * Cell::gates * hidden + u, sums + i * pitch, moved(p.b, u), h_before + i * hidden + u,
           moved(c_before, i * hidden + u), p.h + row * hidden + u, moved(p.c, row * hidden + u),
           moved(p.kept, row * Cell::kept * hidden + u));
  }
}

template <class Cell, class T>
void run_forward(const Layer<T>& p, const RecurrentSteps& steps) {
  constexpr int64_t width = packed_cols<T>;
  const int64_t hidden = p.hidden, blocks = divide_up(hidden, width), gates = Cell::gates;
  auto* packed = static_cast<T*>(
      thread_scratch(Scratch::Panel, sizeof(T) * static_cast<size_t>(blocks * gates * hidden * width + 1)));
  parallel_for(blocks * gates, divide_up(1 << 15, hidden * width + 1), [&](int64_t first, int64_t last) {
    for (int64_t n = first; n < last; ++n) {
      const int64_t u = n / gates * width, row = n % gates * hidden + u;
      pack_columns<T, T>(hidden, smaller(width, hidden - u), width, {p.w + row * hidden, 1, hidden},
                         packed + n * hidden * width);
    }
  });
  for_sequences(steps, gates * hidden * hidden, [&](int64_t begin, int64_t end) {
    StepWalk walk(steps, false);
    for (Step step; walk.next(step);) {
      const int64_t until = smaller(end, step.rows), work = (until - begin) * gates * hidden * width;
      if (begin >= until) continue;
      parallel_for(blocks, divide_up(1 << 18, work + 1), [&](int64_t first, int64_t last) {
        auto* sums =
            static_cast<T*>(thread_scratch(Scratch::Result, sizeof(T) * static_cast<size_t>(row_part * gates * width)));
        for (int64_t block = first; block < last; ++block) {
          for (int64_t r = begin; r < until;) {
            const bool linked = r < step.linked;
            const int64_t rows = smaller(row_part, (linked ? smaller(step.linked, until) : until) - r);
            const int64_t at = (linked ? step.before + r : r) * hidden;
            advance<Cell, T>(p, packed + block * gates * hidden * width, step, r, rows, (linked ? p.h : p.h0) + at,
                             moved(linked ? p.c : p.c0, at), block * width, smaller(width, hidden - block * width),
                             sums);
            r += rows;
          }
        }
      });
    }
  });
}

template <class Cell, class T>
__attribute__((noinline)) void slope_row(int64_t n, const T* kept, const T* h, const T* h_before, const T* c,
                                         const T* c_before, const T* gh, const T* gc, T* g, T* gh_carry, T* gc_carry) {
#pragma omp simd
  for (int64_t u = 0; u < n; ++u) {
    T keep[cell::kept_size<Cell>], slope[Cell::slopes];
#pragma GCC unroll 4
    for (int k = 0; k < Cell::kept; ++k) keep[k] = kept[k * n + u];
    T from_h = gh_carry[u] + (gh ? gh[u] : T(0)), from_c = T(0);
    if constexpr (Cell::has_c) from_c = gc_carry[u] + (gc ? gc[u] : T(0));
    Cell::backward(keep, h[u], h_before[u], Cell::has_c ? c[u] : T(0), Cell::has_c ? c_before[u] : T(0), from_h, from_c,
                   slope);
#pragma GCC unroll 4
    for (int k = 0; k < Cell::slopes; ++k) g[k * n + u] = slope[k];
    gh_carry[u] = from_h;
    if constexpr (Cell::has_c) gc_carry[u] = from_c;
  }
}

template <class Cell, class T>
void derive(const Slopes<T>& p, const Step& step, int64_t r) {
  const int64_t hidden = p.hidden, row = (step.first + r) * hidden;
  const bool linked = r < step.linked;
  const int64_t before = (linked ? step.before + r : r) * hidden;
  slope_row<Cell, T>(hidden, moved(p.kept, row * Cell::kept), p.h + row, (linked ? p.h : p.h0) + before,
                     moved(p.c, row), moved(linked ? p.c : p.c0, before), moved(p.gh, row), moved(p.gc, row),
                     p.g + row * Cell::slopes, p.gh0 + r * hidden, moved(p.gc0, r * hidden));
}

/// gh0 and gc0 hold what the step before will get; a sequence's are done when its first step is.
template <class Cell, class T>
void run_backward(const Slopes<T>& p, const RecurrentSteps& steps) {
  constexpr int64_t width = packed_cols<T>;
  const int64_t hidden = p.hidden, blocks = divide_up(hidden, width), depth = Cell::gates * hidden;
  auto* packed =
      static_cast<T*>(thread_scratch(Scratch::Panel, sizeof(T) * static_cast<size_t>(blocks * depth * width + 1)));
  parallel_for(blocks, divide_up(1 << 15, depth * width + 1), [&](int64_t first, int64_t last) {
    for (int64_t n = first; n < last; ++n) {
      pack_columns<T, T>(depth, smaller(width, hidden - n * width), width, {p.w + n * width, hidden, 1},
                         packed + n * depth * width);
    }
  });
  for (int64_t i = 0; i < p.sequences * hidden; ++i) {
    p.gh0[i] = T(0);
    if (Cell::has_c) p.gc0[i] = T(0);
  }
  // The GRU's third gate has its hidden slope in the fourth place.
  constexpr bool apart = Cell::slopes > Cell::gates;
  const int64_t together = apart ? depth - hidden : depth, pitch = Cell::slopes * hidden;
  for_sequences(steps, depth * hidden, [&](int64_t begin, int64_t end) {
    StepWalk walk(steps, true);
    for (Step step; walk.next(step);) {
      const int64_t rows = smaller(end, step.rows) - begin;
      if (rows <= 0) continue;
      parallel_for(rows, divide_up(1 << 13, hidden + 1), [&](int64_t first, int64_t last) {
        for (int64_t r = first; r < last; ++r) derive<Cell, T>(p, step, begin + r);
      });
      const T* slopes = p.g + (step.first + begin) * pitch;
      parallel_for(blocks, divide_up(1 << 18, rows * depth * width + 1), [&](int64_t first, int64_t last) {
        for (int64_t block = first; block < last; ++block) {
          const T* b = packed + block * depth * width;
          const Matrix<T> to{p.gh0 + begin * hidden + block * width, hidden, 1};
          const int64_t cols = smaller(width, hidden - block * width);
          add_tiles<T>(rows, together, slopes, pitch, b, to, cols, true);
          if (apart) add_tiles<T>(rows, hidden, slopes + depth, pitch, b + together * width, to, cols, true);
        }
      });
    }
  });
}

template <class F>
void for_layers(ScalarType dtype, CellKind kind, const F& f) {
  cell::with_cell(kind, [&](auto cell) {
    if (dtype == ScalarType::Float) f(cell, static_cast<float*>(nullptr));
    if (dtype == ScalarType::Double) f(cell, static_cast<double*>(nullptr));
  });
}

}  // namespace

void recurrent(const Launch&, const View& h, const View& c, const View& kept, const ConstView& x, const ConstView& h0,
               const ConstView& c0, const ConstView& w, const ConstView& b, const RecurrentSteps& steps) {
  for_layers(x.dtype, steps.cell, [&]<class Cell, class T>(Cell, T*) {
    const Layer<T> p{h0.sizes[1], x.as<T>(), h0.as<T>(), c0.as<T>(),  w.as<T>(),
                     b.as<T>(),   h.as<T>(), c.as<T>(),  kept.as<T>()};
    run_forward<Cell, T>(p, steps);
  });
}

void recurrent_backward(const Launch&, const View& g, const View& gh0, const View& gc0, const ConstView& h,
                        const ConstView& c, const ConstView& kept, const ConstView& h0, const ConstView& c0,
                        const ConstView& w, const ConstView& gh, const ConstView& gc, const RecurrentSteps& steps) {
  for_layers(h.dtype, steps.cell, [&]<class Cell, class T>(Cell, T*) {
    const Slopes<T> p{h0.sizes[1], h0.sizes[0], h.as<T>(),  c.as<T>(), kept.as<T>(), h0.as<T>(), c0.as<T>(),
                      w.as<T>(),   gh.as<T>(),  gc.as<T>(), g.as<T>(), gh0.as<T>(),  gc0.as<T>()};
    run_backward<Cell, T>(p, steps);
  });
}

}  // namespace fulmen::FULMEN_ISA
