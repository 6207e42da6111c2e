#include <fulmen/kernels/compute.h>
#include <fulmen/kernels/cuda.h>
#include <fulmen/kernels/cuda/gpu.h>
#include <fulmen/kernels/gemm.h>
#include <fulmen/kernels/recurrent_cells.h>

// Recurrent layers: for each step a matrix product for all gates, and one kernel for the rest of the cell, a thread per
// hidden unit of a sequence, in float32 (float64 for double). All contiguous. The products are small (sequences x H x
// G H), so a layer's time is that of its launches: two a step, which a captured graph replays.
namespace fulmen::cuda {

namespace {

using cell::Step;
using cell::StepWalk;

constexpr int threads = 256;

/// What lies before a step: rows of the step before it in time, then the layer's first state.
template <class S>
struct Before {
  const S *linked, *first;
  int64_t rows;
  GPU_INLINE const S* at(int64_t row, int64_t hidden) const { return (row < rows ? linked : first) + row * hidden; }
};
template <class S>
Before<S> before(const S* all, const S* first, const Step& step, int64_t hidden) {
  return {all ? all + step.before * hidden : nullptr, first, step.linked};
}
template <class S>
S* moved(S* data, int64_t by) {
  return data ? data + by : nullptr;
}

template <class S>
struct States {
  int64_t rows, hidden;
  Before<S> h_before, c_before;
  const S *x, *y, *b;
  S *h, *c, *kept;
};

template <class Cell, class S>
__global__ void __launch_bounds__(threads) next_states(const States<S> p) {
  using T = Compute<S>;
  const int64_t index = gpu::thread_index();
  if (index >= p.rows * p.hidden) return;
  const int64_t row = index / p.hidden, u = index % p.hidden;
  T in[Cell::gates], sum[Cell::gates], keep[cell::kept_size<Cell>], h, c;
#pragma unroll
  for (int k = 0; k < Cell::gates; ++k) {
    const int64_t at = (row * Cell::gates + k) * p.hidden + u;
    in[k] = static_cast<T>(p.x[at]);
    sum[k] = static_cast<T>(p.y[at]);
    if (p.b) sum[k] += static_cast<T>(p.b[k * p.hidden + u]);
  }
  const T h_before = static_cast<T>(p.h_before.at(row, p.hidden)[u]);
  const T c_before = Cell::has_c ? static_cast<T>(p.c_before.at(row, p.hidden)[u]) : T(0);
  Cell::forward(in, sum, h_before, c_before, keep, h, c);
  p.h[index] = static_cast<S>(h);
  if constexpr (Cell::has_c) p.c[index] = static_cast<S>(c);
#pragma unroll
  for (int k = 0; k < Cell::kept; ++k) p.kept[(row * Cell::kept + k) * p.hidden + u] = static_cast<S>(keep[k]);
}

template <class S>
struct Slopes {
  int64_t rows, hidden;
  Before<S> h_before, c_before;
  const S *h, *c, *kept, *gh, *gc;
  S *g, *gh_carry, *gc_carry;
};

template <class Cell, class S>
__global__ void __launch_bounds__(threads) state_slopes(const Slopes<S> p) {
  using T = Compute<S>;
  const int64_t index = gpu::thread_index();
  if (index >= p.rows * p.hidden) return;
  const int64_t row = index / p.hidden, u = index % p.hidden;
  T keep[cell::kept_size<Cell>], slope[Cell::slopes];
#pragma unroll
  for (int k = 0; k < Cell::kept; ++k) keep[k] = static_cast<T>(p.kept[(row * Cell::kept + k) * p.hidden + u]);
  T gh = static_cast<T>(p.gh_carry[index]) + (p.gh ? static_cast<T>(p.gh[index]) : T(0)), gc = 0, c = 0, c_before = 0;
  if constexpr (Cell::has_c) {
    gc = static_cast<T>(p.gc_carry[index]) + (p.gc ? static_cast<T>(p.gc[index]) : T(0));
    c = static_cast<T>(p.c[index]);
    c_before = static_cast<T>(p.c_before.at(row, p.hidden)[u]);
  }
  const T h_before = static_cast<T>(p.h_before.at(row, p.hidden)[u]);
  Cell::backward(keep, static_cast<T>(p.h[index]), h_before, c, c_before, gh, gc, slope);
#pragma unroll
  for (int k = 0; k < Cell::slopes; ++k) p.g[(row * Cell::slopes + k) * p.hidden + u] = static_cast<S>(slope[k]);
  p.gh_carry[index] = static_cast<S>(gh);
  if constexpr (Cell::has_c) p.gc_carry[index] = static_cast<S>(gc);
}

template <class S>
__global__ void __launch_bounds__(threads) clear(S* x, S* y, int64_t n) {
  const int64_t i = gpu::thread_index();
  if (i >= n) return;
  x[i] = S(0);
  if (y) y[i] = S(0);
}

template <class V, class P>
V matrix(P data, ScalarType dtype, int64_t rows, int64_t cols, int64_t row_stride, int64_t col_stride) {
  V v{};
  v.data = data;
  v.dtype = dtype;
  v.ndim = 2;
  v.numel = rows * cols;
  v.sizes[0] = rows;
  v.sizes[1] = cols;
  v.strides[0] = row_stride;
  v.strides[1] = col_stride;
  return v;
}
ConstView nothing() {
  ConstView v{};
  v.data = nullptr;
  return v;
}

}  // namespace

void recurrent(const Launch& launch, const View& h, const View& c, const View& kept, const ConstView& x,
               const ConstView& h0, const ConstView& c0, const ConstView& w, const ConstView& b,
               const RecurrentSteps& steps) {
  const int64_t hidden = h0.sizes[1];
  if (h.numel == 0) return;
  cell::with_cell(steps.cell, [&]<class Cell>(Cell) {
    for_real(x.dtype, [&]<class S>(S*) {
      const int64_t gates = Cell::gates * hidden;
      Workspace sums(launch, sizeof(S) * static_cast<size_t>(h0.sizes[0] * gates));
      StepWalk walk(steps, false);
      for (Step step; walk.next(step);) {
        const ConstView turned = matrix<ConstView>(w.data, x.dtype, hidden, gates, 1, hidden);
        auto multiply = [&](const S* states, int64_t first, int64_t rows) {
          if (rows == 0) return;
          gemm(launch, matrix<View>(sums.as<S>() + first * gates, x.dtype, rows, gates, gates, 1),
               matrix<ConstView>(states, x.dtype, rows, hidden, hidden, 1), turned, nothing(), {});
        };
        multiply(h.as<S>() + step.before * hidden, 0, step.linked);
        multiply(h0.as<S>() + step.linked * hidden, step.linked, step.rows - step.linked);
        const int64_t at = step.first * hidden;
        const States<S> p{step.rows,
                          hidden,
                          before<S>(h.as<S>(), h0.as<S>(), step, hidden),
                          before<S>(c.as<S>(), c0.as<S>(), step, hidden),
                          x.as<S>() + at * Cell::gates,
                          sums.as<S>(),
                          b.as<S>(),
                          h.as<S>() + at,
                          moved(c.as<S>(), at),
                          moved(kept.as<S>(), at * Cell::kept)};
        GPU_LAUNCH((next_states<Cell, S>), gpu::blocks_for(step.rows * hidden, threads), threads, 0, launch, p);
      }
    });
  });
}

void recurrent_backward(const Launch& launch, const View& g, const View& gh0, const View& gc0, const ConstView& h,
                        const ConstView& c, const ConstView& kept, const ConstView& h0, const ConstView& c0,
                        const ConstView& w, const ConstView& gh, const ConstView& gc, const RecurrentSteps& steps) {
  const int64_t hidden = h0.sizes[1];
  if (gh0.numel == 0) return;
  cell::with_cell(steps.cell, [&]<class Cell>(Cell) {
    for_real(h.dtype, [&]<class S>(S*) {
      GPU_LAUNCH(clear<S>, gpu::blocks_for(gh0.numel, threads), threads, 0, launch, gh0.as<S>(), gc0.as<S>(),
                 gh0.numel);
      // The GRU's third gate has its hidden slope in the fourth place.
      constexpr bool apart = Cell::slopes > Cell::gates;
      const int64_t depth = Cell::gates * hidden, together = apart ? depth - hidden : depth;
      StepWalk walk(steps, true);
      for (Step step; walk.next(step);) {
        const int64_t at = step.first * hidden;
        const Slopes<S> p{step.rows,
                          hidden,
                          before<S>(h.as<S>(), h0.as<S>(), step, hidden),
                          before<S>(c.as<S>(), c0.as<S>(), step, hidden),
                          h.as<S>() + at,
                          moved(c.as<S>(), at),
                          moved(kept.as<S>(), at * Cell::kept),
                          moved(gh.as<S>(), at),
                          moved(gc.as<S>(), at),
                          g.as<S>() + at * Cell::slopes,
                          gh0.as<S>(),
                          gc0.as<S>()};
        GPU_LAUNCH((state_slopes<Cell, S>), gpu::blocks_for(step.rows * hidden, threads), threads, 0, launch, p);
        auto add = [&](int64_t column, int64_t count, int64_t weight_row) {
          const View carry = matrix<View>(gh0.as<S>(), h.dtype, step.rows, hidden, hidden, 1);
          gemm(launch, carry,
               matrix<ConstView>(static_cast<const S*>(p.g) + column, h.dtype, step.rows, count, Cell::slopes * hidden,
                                 1),
               matrix<ConstView>(w.as<S>() + weight_row * hidden, h.dtype, count, hidden, hidden, 1),
               matrix<ConstView>(static_cast<const S*>(gh0.as<S>()), h.dtype, step.rows, hidden, hidden, 1), {});
        };
        add(0, together, 0);
        if (apart) add(depth, hidden, together);
      }
    });
  });
}

}  // namespace fulmen::cuda
