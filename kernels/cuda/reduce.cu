#include <fulmen/kernels/cuda/rows.h>
#include <fulmen/kernels/reduce.h>

// y[o, i] = reduction of x[o, :, i], x contiguous. Float, Half and BFloat16 are accumulated in float, double in double,
// integers in int64. Every element is read once, in 16-byte loads where rows allow it.
//
// inner == 1: a team of 1 to 32 threads, or a block, per row. inner > 1: neighbouring threads have neighbouring
// columns, the rows are shared among the threads of a block. Where outputs are few, n is cut into pieces whose results
// go to a workspace and are reduced by a second launch. All of that depends on the shape only: the order of the
// additions is the same on every device.
namespace fulmen::cuda {

namespace {

// --- what is reduced: start, step (one more element), merge (two results)

template <class A>
struct SumOf {
  using Acc = A;
  static constexpr bool centered = false;
  GPU_INLINE static A start() { return A(0); }
  template <class T>
  GPU_INLINE static A step(A a, T x, T, int64_t) {
    return a + static_cast<A>(x);
  }
  GPU_INLINE static A merge(A a, A b) { return a + b; }
};
template <class A>
struct SumSquaresOf : SumOf<A> {
  template <class T>
  GPU_INLINE static A step(A a, T x, T, int64_t) {
    return a + static_cast<A>(x) * static_cast<A>(x);
  }
};
template <class A>
struct SumSquaredDeviationOf : SumOf<A> {
  static constexpr bool centered = true;
  template <class T>
  GPU_INLINE static A step(A a, T x, T center, int64_t) {
    A d = static_cast<A>(x) - static_cast<A>(center);
    return a + d * d;
  }
};
template <class A>
struct ProdOf {
  using Acc = A;
  static constexpr bool centered = false;
  GPU_INLINE static A start() { return A(1); }
  template <class T>
  GPU_INLINE static A step(A a, T x, T, int64_t) {
    return a * static_cast<A>(x);
  }
  GPU_INLINE static A merge(A a, A b) { return a * b; }
};
template <class A, bool largest>
struct ExtremeOf {
  using Acc = A;
  static constexpr bool centered = false;
  GPU_INLINE static A start() { return largest ? gpu::lowest<A> : gpu::highest<A>; }
  GPU_INLINE static A merge(A a, A b) {
    if constexpr (largest) {
      return gpu::Max{}(a, b);
    } else {
      return gpu::Min{}(a, b);
    }
  }
  template <class T>
  GPU_INLINE static A step(A a, T x, T, int64_t) {
    return merge(a, static_cast<A>(x));
  }
};
template <bool all>
struct Truth {
  using Acc = int32_t;
  static constexpr bool centered = false;
  GPU_INLINE static int32_t start() { return all; }
  GPU_INLINE static int32_t merge(int32_t a, int32_t b) { return all ? a & b : a | b; }
  template <class T>
  GPU_INLINE static int32_t step(int32_t a, T x, T, int64_t) {
    return merge(a, x != T(0));
  }
};

/// A value and its position among n; `nowhere` before the first one.
template <class A>
struct Place {
  A value;
  int64_t position;
};
/// NaN before the extreme value, the first of equals.
template <class A, bool largest>
struct PlaceOf {
  using Acc = Place<A>;
  static constexpr bool centered = false;
  static constexpr int64_t nowhere = INT64_MAX;
  GPU_INLINE static Acc start() { return {largest ? gpu::lowest<A> : gpu::highest<A>, nowhere}; }
  GPU_INLINE static Acc merge(Acc a, Acc b) {
    bool a_nan = a.value != a.value, b_nan = b.value != b.value;
    bool beyond = largest ? a.value > b.value : a.value < b.value;
    bool same = a_nan ? b_nan : a.value == b.value;
    bool first = same ? a.position < b.position : a_nan || (beyond && !b_nan);
    return {first ? a.value : b.value, first ? a.position : b.position};
  }
  template <class T>
  GPU_INLINE static Acc step(Acc a, T x, T, int64_t position) {
    return merge(a, {static_cast<A>(x), position});
  }
};
/// The second launch: x holds results of pieces.
template <class R>
struct MergeOf {
  using Acc = typename R::Acc;
  static constexpr bool centered = false;
  GPU_INLINE static Acc start() { return R::start(); }
  GPU_INLINE static Acc merge(Acc a, Acc b) { return R::merge(a, b); }
  GPU_INLINE static Acc step(Acc a, Acc x, Acc, int64_t) { return R::merge(a, x); }
};

// --- where results go

template <class Out>
struct ToArray {
  Out* y;
  template <class A>
  GPU_INLINE void operator()(int64_t at, A value) const {
    y[at] = static_cast<Out>(value);
  }
};
template <class T>
struct ToPlaces {
  T* values;  ///< may be null
  int64_t* positions;
  GPU_INLINE void operator()(int64_t at, Place<T> place) const {
    if (values) values[at] = place.value;
    positions[at] = place.position;
  }
};

// --- the walk

constexpr int block_threads = 256;

/// How a launch is cut, in both kernels.
struct Cut {
  int64_t splits, length;  ///< pieces of n, and elements of a piece
  int64_t tiles;           ///< columns: blocks beside each other
  int width;               ///< threads side by side: on a row (rows), on neighbouring columns (columns)
};

/// Takes elements first, first + step, ... below `end` into total[0..V): vectors of V that begin at x + i * stride.
/// Four loads are in flight. Every 128 elements begin a new partial result, so that errors do not grow with n.
template <class R, int V, class In>
GPU_INLINE void walk(typename R::Acc (&total)[V], const In* x, const In (&center)[V], int64_t first, int64_t end,
                     int64_t step, int64_t stride, int64_t position_step) {
  using Acc = typename R::Acc;
  constexpr int together = 4, rounds = 32;
  for (int64_t i = first; i < end;) {
    Acc part[V];
    for (int v = 0; v < V; ++v) part[v] = R::start();
    for (int round = 0; round < rounds && i + (together - 1) * step < end; ++round, i += together * step) {
      gpu::Vec<In, V> loaded[together];
#pragma unroll
      for (int k = 0; k < together; ++k) loaded[k] = gpu::load_vec<V>(x + (i + k * step) * stride);
#pragma unroll
      for (int k = 0; k < together; ++k) {
        for (int v = 0; v < V; ++v) {
          part[v] = R::step(part[v], loaded[k][v], center[v], (i + k * step) * position_step + v);
        }
      }
    }
    if (i + (together - 1) * step >= end) {
      for (; i < end; i += step) {
        gpu::Vec<In, V> loaded = gpu::load_vec<V>(x + i * stride);
        for (int v = 0; v < V; ++v) part[v] = R::step(part[v], loaded[v], center[v], i * position_step + v);
      }
    }
    for (int v = 0; v < V; ++v) total[v] = R::merge(total[v], part[v]);
  }
}

/// inner == 1. Short rows: cut.width threads each, several rows per block. Otherwise block = (row, split).
template <class R, int V, class In, class Store>
__global__ void __launch_bounds__(block_threads)
    reduce_rows(const In* x, const In* center, ReduceShape s, Cut cut, Store store) {
  using Acc = typename R::Acc;
  bool whole_block = cut.width == block_threads;
  int thread = static_cast<int>(threadIdx.x), lane = thread % cut.width;
  int64_t split = whole_block ? blockIdx.x / s.outer : 0;
  int64_t row = whole_block ? blockIdx.x % s.outer
                            : static_cast<int64_t>(blockIdx.x) * (block_threads / cut.width) + thread / cut.width;
  bool valid = row < s.outer;
  Acc value = R::start();
  if (valid) {
    int64_t begin = split * cut.length, end = begin + cut.length < s.n ? begin + cut.length : s.n;
    In mid[V] = {};
    if (R::centered) {
      for (int v = 0; v < V; ++v) mid[v] = center[row];
    }
    Acc total[V];
    for (int v = 0; v < V; ++v) total[v] = R::start();
    // begin is a multiple of V; at the end of the last row there may be elements behind the last vector.
    walk<R, V>(total, x + row * s.n, mid, begin / V + lane, end / V, cut.width, V, V);
    for (int64_t i = end / V * V + lane; i < end; i += cut.width) {
      total[0] = R::step(total[0], x[row * s.n + i], mid[0], i);
    }
    value = total[0];
    for (int v = 1; v < V; ++v) value = R::merge(value, total[v]);
  }
  auto merge = [](Acc a, Acc b) { return R::merge(a, b); };
  if (whole_block) {
    value = gpu::block_reduce(value, merge, R::start());
  } else {
    for (int mask = cut.width / 2; mask > 0; mask /= 2) value = merge(value, gpu::shuffle_xor(value, mask));
  }
  if (valid && lane == 0) store(split * s.outer + row, value);
}

/// Any inner: cut.width groups of V neighbouring columns, block_threads / cut.width threads for each of them; block =
/// (split, o, tile).
template <class R, int V, class In, class Store>
__global__ void __launch_bounds__(block_threads, 2)
    reduce_columns(const In* x, const In* center, ReduceShape s, Cut cut, Store store) {
  using Acc = typename R::Acc;
  __shared__ Acc values[V][block_threads];
  int thread = static_cast<int>(threadIdx.x), lane = thread / cut.width, lanes = block_threads / cut.width;
  int64_t tile = blockIdx.x % cut.tiles, o = blockIdx.x / cut.tiles % s.outer, split = blockIdx.x / cut.tiles / s.outer;
  int64_t column = (tile * cut.width + thread % cut.width) * V;
  bool valid = column < s.inner;
  Acc total[V];
  for (int v = 0; v < V; ++v) total[v] = R::start();
  if (valid) {
    int64_t begin = split * cut.length, end = begin + cut.length < s.n ? begin + cut.length : s.n;
    In mid[V] = {};
    if (R::centered) {
      for (int v = 0; v < V; ++v) mid[v] = center[o * s.inner + column + v];
    }
    walk<R, V>(total, x + o * s.n * s.inner + column, mid, begin + lane, end, lanes, s.inner, 1);
  }
  for (int v = 0; v < V; ++v) values[v][thread] = total[v];
  for (int half = lanes / 2; half > 0; half /= 2) {
    __syncthreads();
    if (lane >= half) continue;
    for (int v = 0; v < V; ++v) {
      values[v][thread] = R::merge(values[v][thread], values[v][thread + half * cut.width]);
    }
  }
  if (!valid || lane > 0) return;
  for (int v = 0; v < V; ++v) store((split * s.outer + o) * s.inner + column + v, values[v][thread]);
}

// --- launches

/// About 1024 blocks have work; a piece is worth a block.
Cut cut_of(ReduceShape s, int V) {
  constexpr int64_t most_blocks = 1024, least_row = 8192, least_column = 64, round = 1024;
  Cut cut{1, s.n, 1, 0};
  int64_t blocks, most;
  if (s.inner == 1) {
    cut.width = s.n > 1024 ? block_threads : gpu::power_of_two((s.n + 4 * V - 1) / (4 * V), gpu::warp_size);
    blocks = s.outer;
    most = s.n / least_row;
  } else {
    int64_t groups = (s.inner + V - 1) / V;
    cut.width = gpu::power_of_two(groups, 32);
    cut.tiles = (groups + cut.width - 1) / cut.width;
    blocks = s.outer * cut.tiles;
    most = s.n * cut.width / (32 * least_column);
  }
  cut.splits = most_blocks / blocks < most ? most_blocks / blocks : most;
  if (cut.splits <= 1) {
    cut.splits = 1;
    return cut;
  }
  cut.length = (s.n + cut.splits - 1) / cut.splits;
  if (s.inner == 1) cut.length = (cut.length + round - 1) / round * round;
  cut.splits = (s.n + cut.length - 1) / cut.length;
  return cut;
}

template <class R, int V, class In, class Store>
void launch_reduction(const Launch& launch, const In* x, const In* center, ReduceShape s, const Cut& cut,
                      const Store& store) {
  if (s.inner == 1) {
    unsigned blocks = cut.width == block_threads ? gpu::blocks_for(s.outer * cut.splits, 1)
                                                 : gpu::blocks_for(s.outer, block_threads / cut.width);
    GPU_LAUNCH((reduce_rows<R, V, In, Store>), blocks, block_threads, 0, launch, x, center, s, cut, store);
  } else {
    unsigned blocks = gpu::blocks_for(cut.tiles * s.outer * cut.splits, 1);
    GPU_LAUNCH((reduce_columns<R, V, In, Store>), blocks, block_threads, 0, launch, x, center, s, cut, store);
  }
}

template <class R, int V, class In, class Store>
void reduce_cut(const Launch& launch, const In* x, const In* center, ReduceShape s, const Store& store) {
  using Acc = typename R::Acc;
  Cut cut = cut_of(s, V);
  if (cut.splits == 1) return launch_reduction<R, V>(launch, x, center, s, cut, store);
  int64_t outputs = s.outer * s.inner;
  Workspace partial(launch, sizeof(Acc) * static_cast<size_t>(cut.splits * outputs));
  launch_reduction<R, V>(launch, x, center, s, cut, ToArray<Acc>{partial.as<Acc>()});
  int width = gpu::power_of_two(outputs, 32);
  Cut last{1, cut.splits, (outputs + width - 1) / width, width};
  unsigned blocks = gpu::blocks_for(last.tiles, 1);
  GPU_LAUNCH((reduce_columns<MergeOf<R>, 1, Acc, Store>), blocks, block_threads, 0, launch, partial.as<const Acc>(),
             static_cast<const Acc*>(nullptr), (ReduceShape{1, cut.splits, outputs}), last, store);
}

/// `wide`: 16-byte loads are worth another instance of the kernels.
template <class R, bool wide, class In, class Store>
void reduce_with(const Launch& launch, const ConstView& x, const ConstView& center, ReduceShape s, const Store& store) {
  if (s.outer * s.inner == 0) return;
  const In *from = x.as<In>(), *mid = center.as<In>();
  if constexpr (wide) {
    constexpr int width = gpu::vec_width<In>;
    bool rows_aligned = s.inner == 1 ? s.outer == 1 || s.n % width == 0 : s.inner % width == 0;
    if (rows_aligned && gpu::aligned_for<width>(from)) return reduce_cut<R, width>(launch, from, mid, s, store);
  }
  reduce_cut<R, 1>(launch, from, mid, s, store);
}

template <class T>
void reduce_number(const Launch& launch, ReduceOp op, const View& y, const ConstView& x, const ConstView& center,
                   ReduceShape s) {
  constexpr bool wide = std::is_same_v<T, float>;
  ToArray<T> store{y.as<T>()};
  switch (op) {
    case ReduceOp::Sum:
      return reduce_with<SumOf<T>, wide, T>(launch, x, center, s, store);
    case ReduceOp::Prod:
      return reduce_with<ProdOf<T>, false, T>(launch, x, center, s, store);
    case ReduceOp::Max:
      return reduce_with<ExtremeOf<T, true>, wide, T>(launch, x, center, s, store);
    case ReduceOp::Min:
      return reduce_with<ExtremeOf<T, false>, wide, T>(launch, x, center, s, store);
    case ReduceOp::SumSquares:
      if constexpr (!std::is_integral_v<T>) reduce_with<SumSquaresOf<T>, wide, T>(launch, x, center, s, store);
      return;
    case ReduceOp::SumSquaredDeviation:
      if constexpr (!std::is_integral_v<T>) reduce_with<SumSquaredDeviationOf<T>, wide, T>(launch, x, center, s, store);
      return;
    default:
      return;
  }
}

template <class T>
void arg_typed(const Launch& launch, bool largest, const View& values, const View& positions, const ConstView& x,
               ReduceShape s) {
  ToPlaces<T> store{values.numel > 0 ? values.as<T>() : nullptr, positions.as<int64_t>()};
  if (largest) {
    reduce_with<PlaceOf<T, true>, false, T>(launch, x, ConstView{}, s, store);
  } else {
    reduce_with<PlaceOf<T, false>, false, T>(launch, x, ConstView{}, s, store);
  }
}

}  // namespace

void reduce(const Launch& launch, ReduceOp op, const View& y, const ConstView& x, const ConstView& center,
            ReduceShape shape) {
  switch (x.dtype) {
    case ScalarType::Float:
      return reduce_number<float>(launch, op, y, x, center, shape);
    case ScalarType::Double:
      return reduce_number<double>(launch, op, y, x, center, shape);
    case ScalarType::Long:
      return reduce_number<int64_t>(launch, op, y, x, center, shape);
    case ScalarType::Half:
      return reduce_with<SumOf<float>, true, Half>(launch, x, center, shape, ToArray<Half>{y.as<Half>()});
    case ScalarType::BFloat16:
      return reduce_with<SumOf<float>, true, BFloat16>(launch, x, center, shape, ToArray<BFloat16>{y.as<BFloat16>()});
    case ScalarType::Bool: {
      ToArray<bool> store{y.as<bool>()};
      if (op == ReduceOp::All) return reduce_with<Truth<true>, false, bool>(launch, x, center, shape, store);
      return reduce_with<Truth<false>, false, bool>(launch, x, center, shape, store);
    }
    default:
      return;
  }
}

void reduce_arg(const Launch& launch, bool largest, const View& values, const View& positions, const ConstView& x,
                ReduceShape shape) {
  switch (x.dtype) {
    case ScalarType::Float:
      return arg_typed<float>(launch, largest, values, positions, x, shape);
    case ScalarType::Double:
      return arg_typed<double>(launch, largest, values, positions, x, shape);
    case ScalarType::Long:
      return arg_typed<int64_t>(launch, largest, values, positions, x, shape);
    default:
      return;
  }
}

}  // namespace fulmen::cuda
