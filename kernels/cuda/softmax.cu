#include <fulmen/kernels/cuda/math.h>
#include <fulmen/kernels/cuda/rows.h>
#include <fulmen/kernels/softmax.h>

// Softmax over the columns of [outer, cols, inner], in float32 (float64 for double). Rows that fit are kept in shared
// memory, each element by the thread that read it: one read and one write of memory, the largest element first and then
// the sum. Longer rows are read twice, the first time with the largest element and the sum kept up to date together.
namespace fulmen::cuda {

namespace {

using gpu::Rows;
using gpu::RowVectors;
using gpu::Team;
using gpu::Vec;

template <class S, int V>
__global__ void __launch_bounds__(gpu::most_row_threads)
    softmax_rows(S* y, const S* x, Rows rows, bool resident, SoftmaxKind kind) {
  using T = Compute<S>;
  GPU_DYNAMIC_SHARED(S, kept);
  Team team(rows);
  RowVectors<V> own(rows, team);
  auto load = [&](int64_t e) {
    return resident ? gpu::load_vec<V>(kept + own.slot_of(e) * V) : gpu::load_vec<V>(x + own.at(e));
  };
  T most, sum = 0;
  if (resident) {
    most = gpu::lowest<T>;
    for (int64_t e = own.first; e < own.count; e += own.step) {
      Vec<S, V> value = gpu::load_vec<V>(x + own.at(e));
      gpu::store_vec(kept + own.slot_of(e) * V, value);
      for (int v = 0; v < V; ++v) most = gpu::Max{}(most, static_cast<T>(value[v]));
    }
    most = team.max(most);
    for (int64_t e = own.first; e < own.count; e += own.step) {
      Vec<S, V> value = load(e);
      for (int v = 0; v < V; ++v) sum += math::exp(static_cast<T>(value[v]) - most);
    }
    sum = team.sum(sum);
  } else {
    gpu::RunningSum<T> running;
    for (int64_t e = own.first; e < own.count; e += own.step) running.add(load(e));
    running.join(team);
    most = running.most;
    sum = running.sum;
  }
  T factor = 1 / sum, log_sum = math::log(sum);
  for (int64_t e = own.first; e < own.count; e += own.step) {
    Vec<S, V> value = load(e);
    for (int v = 0; v < V; ++v) {
      T above = static_cast<T>(value[v]) - most;
      value[v] = static_cast<S>(kind == SoftmaxKind::Plain ? math::exp(above) * factor : above - log_sum);
    }
    gpu::store_vec(y + own.at(e), value);
  }
}

template <class S, int V>
__global__ void __launch_bounds__(gpu::most_row_threads)
    softmax_backward_rows(S* gx, const S* y, const S* gy, Rows rows, bool resident, SoftmaxKind kind) {
  using T = Compute<S>;
  GPU_DYNAMIC_SHARED(S, kept);
  Team team(rows);
  RowVectors<V> own(rows, team);
  S* kept_gy = kept + rows.teams * rows.cols;
  T sum = 0;
  for (int64_t e = own.first; e < own.count; e += own.step) {
    Vec<S, V> value = gpu::load_vec<V>(y + own.at(e)), slope = gpu::load_vec<V>(gy + own.at(e));
    if (resident) {
      gpu::store_vec(kept + own.slot_of(e) * V, value);
      gpu::store_vec(kept_gy + own.slot_of(e) * V, slope);
    }
    for (int v = 0; v < V; ++v) {
      sum +=
          kind == SoftmaxKind::Plain ? static_cast<T>(slope[v]) * static_cast<T>(value[v]) : static_cast<T>(slope[v]);
    }
  }
  sum = team.sum(sum);
  for (int64_t e = own.first; e < own.count; e += own.step) {
    Vec<S, V> value, slope;
    if (resident) {
      value = gpu::load_vec<V>(kept + own.slot_of(e) * V), slope = gpu::load_vec<V>(kept_gy + own.slot_of(e) * V);
    } else {
      value = gpu::load_vec<V>(y + own.at(e)), slope = gpu::load_vec<V>(gy + own.at(e));
    }
    for (int v = 0; v < V; ++v) {
      T a = static_cast<T>(value[v]), g = static_cast<T>(slope[v]);
      slope[v] = static_cast<S>(kind == SoftmaxKind::Plain ? a * (g - sum) : g - math::exp(a) * sum);
    }
    gpu::store_vec(gx + own.at(e), slope);
  }
}

}  // namespace

void softmax(const Launch& launch, const View& y, const ConstView& x, SoftmaxKind kind) {
  if (x.numel == 0) return;
  int64_t cols = x.sizes[1], inner = x.sizes[2];
  for_real(x.dtype, [&]<class S>(S*) {
    gpu::with_width<S>(
        cols, inner,
        [&](auto width) {
          constexpr int V = decltype(width)::value;
          Rows rows = gpu::teams_for(x.sizes[0], cols, inner, V);
          size_t bytes = rows.bytes_of_rows<S>(1);
          bool resident = gpu::keeps_rows(launch, rows, bytes);
          GPU_LAUNCH((softmax_rows<S, V>), rows.blocks, rows.threads, resident ? bytes : 0, launch, y.as<S>(),
                     x.as<S>(), rows, resident, kind);
        },
        y.data, x.data);
  });
}

void softmax_backward(const Launch& launch, const View& gx, const ConstView& y, const ConstView& gy, SoftmaxKind kind) {
  if (y.numel == 0) return;
  int64_t cols = y.sizes[1], inner = y.sizes[2];
  for_real(y.dtype, [&]<class S>(S*) {
    gpu::with_width<S>(
        cols, inner,
        [&](auto width) {
          constexpr int V = decltype(width)::value;
          Rows rows = gpu::teams_for(y.sizes[0], cols, inner, V);
          size_t bytes = rows.bytes_of_rows<S>(2);
          bool resident = gpu::keeps_rows(launch, rows, bytes);
          GPU_LAUNCH((softmax_backward_rows<S, V>), rows.blocks, rows.threads, resident ? bytes : 0, launch, gx.as<S>(),
                     y.as<S>(), gy.as<S>(), rows, resident, kind);
        },
        gx.data, y.data, gy.data);
  });
}

}  // namespace fulmen::cuda
