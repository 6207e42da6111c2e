#include <fulmen/kernels/cuda/math.h>
#include <fulmen/kernels/cuda/rows.h>
#include <fulmen/kernels/norm.h>

// Layer norm and RMS norm of rows [rows, cols], contiguous, in float32 (float64 for double). RMS norm is layer norm
// that takes the mean for 0 (`centered` is false).
//
// Forward: a row is read once and stays in shared memory, each element with the thread that read it; mean first, then
// the sum of squared deviations from it, so nothing cancels. Rows that do not fit are read three times, from the cache.
// Backward: one kernel with at most 264 blocks that go through the rows. A team's thread has the same columns of every
// row, so it adds up their gw and gb by itself; a second kernel adds the teams' sums. x and gy are read once, gx is
// written once.
namespace fulmen::cuda {

namespace {

using gpu::Rows;
using gpu::RowVectors;
using gpu::Team;
using gpu::Vec;

template <class S, int V>
__global__ void __launch_bounds__(gpu::most_row_threads)
    normalize_rows(S* y, Compute<S>* stats, const S* x, const S* weight, const S* bias, Rows rows, bool resident,
                   double eps, bool centered) {
  using T = Compute<S>;
  GPU_DYNAMIC_SHARED(S, kept);
  Team team(rows);
  RowVectors<V> own(rows, team);
  auto load = [&](int64_t e) {
    return resident ? gpu::load_vec<V>(kept + own.slot_of(e) * V) : gpu::load_vec<V>(x + own.at(e));
  };
  double sum = 0;  // so that the mean of equal numbers is that number
  T squares = 0;
  for (int64_t e = own.first; e < own.count; e += own.step) {
    Vec<S, V> value = gpu::load_vec<V>(x + own.at(e));
    if (resident) gpu::store_vec(kept + own.slot_of(e) * V, value);
    for (int v = 0; v < V; ++v) sum += static_cast<double>(static_cast<T>(value[v]));
  }
  auto count = static_cast<T>(rows.cols), mean = T(0);
  if (centered) mean = static_cast<T>(team.sum(sum) / static_cast<double>(rows.cols));
  for (int64_t e = own.first; e < own.count; e += own.step) {
    Vec<S, V> value = load(e);
    for (int v = 0; v < V; ++v) {
      T d = static_cast<T>(value[v]) - mean;
      squares += d * d;
    }
  }
  double variance = static_cast<double>(team.sum(squares) / count);
  T rstd = static_cast<T>(1 / math::sqrt(variance + eps));
  if (team.valid && team.lane == 0) {
    stats[team.row] = mean;
    stats[rows.outer + team.row] = rstd;
  }
  for (int64_t e = own.first; e < own.count; e += own.step) {
    Vec<S, V> value = load(e), factor{}, shift{};
    if (weight) factor = gpu::load_vec<V>(weight + e * V);
    if (bias) shift = gpu::load_vec<V>(bias + e * V);
    for (int v = 0; v < V; ++v) {
      T n = (static_cast<T>(value[v]) - mean) * rstd;
      if (weight) n *= static_cast<T>(factor[v]);
      if (bias) n += static_cast<T>(shift[v]);
      value[v] = static_cast<S>(n);
    }
    gpu::store_vec(y + own.at(e), value);
  }
}

// --- backward

constexpr int most_blocks = 264;

template <class S>
struct Backward {
  using T = Compute<S>;
  S* gx;    ///< or null
  T* sums;  ///< [blocks, 2, cols]: of gy n and of gy; or null
  const S *x, *gy, *weight;
  const T* stats;  ///< [2, rows]: mean, rstd
  int64_t rows;
  bool resident;     ///< x and gy of the rows in progress are kept in shared memory
  bool centered;     ///< the mean counts
  bool sums_shared;  ///< so are the sums of the teams; otherwise there is one team, and they lie where they end
};

/// Sums move in and out of shared memory 16 bytes at a time, so that neighbouring threads use different banks. Where a
/// thread has two such parts, every other four threads take the second one first, for the same reason.
template <class T, int V>
struct SumParts {
  static constexpr int width = V < gpu::vec_width<T> ? V : gpu::vec_width<T>, count = V / width;
  static_assert(count <= 2);
  bool turned = count == 2 && threadIdx.x / 4 % 2 != 0;
  GPU_INLINE int first_of(int part) const { return (turned ? count - 1 - part : part) * width; }
  template <class S>
  GPU_INLINE S pick(const Vec<S, V>& x, int part, int i) const {
    return turned ? x[(count - 1 - part) * width + i] : x[part * width + i];
  }
};

/// The sums of this thread's columns become 0.
template <class T, int V>
GPU_INLINE void clear_sums(T* to_weight, T* to_bias) {
  using Parts = SumParts<T, V>;
  const Parts parts;
#pragma unroll
  for (int part = 0; part < Parts::count; ++part) {
    gpu::store_vec(to_weight + parts.first_of(part), Vec<T, Parts::width>{});
    gpu::store_vec(to_bias + parts.first_of(part), Vec<T, Parts::width>{});
  }
}
/// They grow by gy n and gy.
template <class S, int V>
GPU_INLINE void add_to_sums(Compute<S>* to_weight, Compute<S>* to_bias, const Vec<S, V>& value, const Vec<S, V>& slope,
                            Compute<S> mean, Compute<S> rstd) {
  using T = Compute<S>;
  using Parts = SumParts<T, V>;
  const Parts parts;
#pragma unroll
  for (int part = 0; part < Parts::count; ++part) {
    const int first = parts.first_of(part);
    auto weight = gpu::load_vec<Parts::width>(to_weight + first), bias = gpu::load_vec<Parts::width>(to_bias + first);
#pragma unroll
    for (int i = 0; i < Parts::width; ++i) {
      T g = static_cast<T>(parts.pick(slope, part, i));
      weight[i] += g * ((static_cast<T>(parts.pick(value, part, i)) - mean) * rstd);
      bias[i] += g;
    }
    gpu::store_vec(to_weight + first, weight);
    gpu::store_vec(to_bias + first, bias);
  }
}

template <class S, int V>
__global__ void __launch_bounds__(256, 4) normalize_backward(Backward<S> p, Rows rows) {
  using T = Compute<S>;
  GPU_DYNAMIC_SHARED(T, shared);
  Team team(rows);
  int64_t cols = rows.cols, vectors = cols / V, team_sums = 2 * cols * team.index;
  T* sums = p.sums_shared ? shared + team_sums : p.sums ? p.sums + 2 * cols * blockIdx.x : nullptr;
  S* kept = reinterpret_cast<S*>(shared + (p.sums_shared ? 2 * cols * rows.teams : 0)) + team_sums;
  S* kept_gy = kept + cols;
  if (sums) {
    for (int64_t e = team.lane; e < vectors; e += team.lanes) clear_sums<T, V>(sums + e * V, sums + cols + e * V);
  }
  int64_t together = static_cast<int64_t>(gridDim.x) * rows.teams, rounds = (p.rows + together - 1) / together;
  for (int64_t round = 0; round < rounds; ++round) {
    int64_t row = (round * gridDim.x + blockIdx.x) * rows.teams + team.index;
    bool valid = row < p.rows;
    const S *x = p.x + row * cols, *gy = p.gy + row * cols;
    T mean = valid ? p.stats[row] : T(0), rstd = valid ? p.stats[p.rows + row] : T(0), sum = 0, along = 0;
    for (int64_t e = team.lane; valid && e < vectors; e += team.lanes) {
      Vec<S, V> value = gpu::load_vec<V>(x + e * V), slope = gpu::load_vec<V>(gy + e * V), factor{};
      if (p.weight) factor = gpu::load_vec<V>(p.weight + e * V);
      if (p.resident) {
        gpu::store_vec(kept + e * V, value);
        gpu::store_vec(kept_gy + e * V, slope);
      }
      for (int v = 0; v < V; ++v) {
        T h = static_cast<T>(slope[v]);
        if (p.weight) h *= static_cast<T>(factor[v]);
        sum += h;
        along += h * ((static_cast<T>(value[v]) - mean) * rstd);
      }
    }
    T mean_h = p.centered ? team.sum(sum) / static_cast<T>(cols) : T(0);
    T mean_hn = team.sum(along) / static_cast<T>(cols);
    for (int64_t e = team.lane; valid && e < vectors; e += team.lanes) {
      Vec<S, V> value = gpu::load_vec<V>((p.resident ? kept : x) + e * V);
      Vec<S, V> slope = gpu::load_vec<V>((p.resident ? kept_gy : gy) + e * V), factor{};
      if (sums) add_to_sums(sums + e * V, sums + cols + e * V, value, slope, mean, rstd);
      if (!p.gx) continue;
      if (p.weight) factor = gpu::load_vec<V>(p.weight + e * V);
      for (int v = 0; v < V; ++v) {
        T h = static_cast<T>(slope[v]);
        if (p.weight) h *= static_cast<T>(factor[v]);
        value[v] = static_cast<S>(rstd * (h - mean_h - (static_cast<T>(value[v]) - mean) * rstd * mean_hn));
      }
      gpu::store_vec(p.gx + row * cols + e * V, value);
    }
  }
  if (!p.sums_shared) return;
  __syncthreads();
  for (int64_t c = threadIdx.x; c < 2 * cols; c += blockDim.x) {
    T sum = shared[c];
    for (int k = 1; k < rows.teams; ++k) sum += shared[2 * cols * k + c];
    p.sums[2 * cols * blockIdx.x + c] = sum;
  }
}

/// gw and gb: the sums of the blocks. 32 columns and 8 lanes for each of them.
template <class S>
__global__ void __launch_bounds__(256) add_sums(S* gw, S* gb, const Compute<S>* sums, int64_t cols, int blocks) {
  using T = Compute<S>;
  __shared__ T part[8][32];
  int column = static_cast<int>(threadIdx.x % 32), lane = static_cast<int>(threadIdx.x / 32);
  int64_t c = static_cast<int64_t>(blockIdx.x) * 32 + column;
  T sum = 0;
  for (int b = lane; c < 2 * cols && b < blocks; b += 8) sum += sums[2 * cols * b + c];
  part[lane][column] = sum;
  for (int half = 4; half > 0; half /= 2) {
    __syncthreads();
    if (lane < half) part[lane][column] += part[lane + half][column];
  }
  if (lane > 0 || c >= 2 * cols) return;
  S* to = c < cols ? gw : gb;
  if (to) to[c < cols ? c : c - cols] = static_cast<S>(part[0][column]);
}

/// Few teams of many threads: each holds sums of all columns.
Rows backward_teams(int64_t rows, int64_t cols, int width) {
  int64_t loads = (cols + width - 1) / width;
  int lanes = cols > 512 ? 256 : gpu::power_of_two((loads + 1) / 2, gpu::warp_size);
  if (lanes < 8 && cols > 32) lanes = 8;
  int teams = 256 / lanes;
  return {rows, cols, 1, 256, lanes, teams, 1, gpu::blocks_for(rows, teams, most_blocks)};
}

template <class S, int V>
void launch_backward(const Launch& launch, Backward<S> p, int64_t cols, S* gw, S* gb) {
  using T = Compute<S>;
  Rows rows = backward_teams(p.rows, cols, V);
  bool sums = gw || gb;
  size_t of_sums = rows.bytes_of_rows<T>(2), of_rows = rows.bytes_of_rows<S>(2);
  p.sums_shared = sums && gpu::keeps_rows(launch, rows, of_sums);
  size_t bytes = p.sums_shared ? of_sums : 0;
  p.resident = gpu::keeps_rows(launch, rows, bytes + of_rows);
  if (p.resident) bytes += of_rows;
  Workspace parts(launch, sums ? sizeof(T) * 2 * static_cast<size_t>(cols) * rows.blocks : 0);
  p.sums = parts.as<T>();
  GPU_LAUNCH((normalize_backward<S, V>), rows.blocks, rows.threads, bytes, launch, p, rows);
  if (!sums) return;
  GPU_LAUNCH(add_sums<S>, gpu::blocks_for(2 * cols, 32), 256, 0, launch, gw, gb, parts.as<const T>(), cols,
             static_cast<int>(rows.blocks));
}

}  // namespace

void layer_norm(const Launch& launch, const View& y, const View& stats, const ConstView& x, const ConstView& weight,
                const ConstView& bias, double eps, bool centered) {
  int64_t count = x.sizes[0], cols = x.sizes[1];
  if (count == 0) return;
  for_real(x.dtype, [&]<class S>(S*) {
    gpu::with_width<S>(
        cols, 1,
        [&](auto width) {
          constexpr int V = decltype(width)::value;
          Rows rows = gpu::teams_along(count, cols, V);
          size_t bytes = rows.bytes_of_rows<S>(1);
          bool resident = gpu::keeps_rows(launch, rows, bytes);
          GPU_LAUNCH((normalize_rows<S, V>), rows.blocks, rows.threads, resident ? bytes : 0, launch, y.as<S>(),
                     stats.as<Compute<S>>(), x.as<S>(), weight.as<S>(), bias.as<S>(), rows, resident, eps, centered);
        },
        y.data, x.data, weight.data, bias.data);
  });
}

void layer_norm_backward(const Launch& launch, const View& gx, const View& gw, const View& gb, const ConstView& x,
                         const ConstView& stats, const ConstView& weight, const ConstView& gy, bool centered) {
  int64_t cols = x.sizes[1];
  if (cols == 0) return;
  for_real(x.dtype, [&]<class S>(S*) {
    Backward<S> p{gx.as<S>(), nullptr, x.as<S>(), gy.as<S>(), weight.as<S>(), stats.as<Compute<S>>(),
                  x.sizes[0], false,   centered,  false};
    gpu::with_width<S>(
        cols, 1,
        [&](auto width) { launch_backward<S, decltype(width)::value>(launch, p, cols, gw.as<S>(), gb.as<S>()); },
        gx.data, x.data, gy.data, weight.data);
  });
}

}  // namespace fulmen::cuda
