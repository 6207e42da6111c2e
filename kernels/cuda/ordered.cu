// Sums over equal keys without atomics. Rows that were sorted by key are cut into pieces of 256; one thread adds up the
// rows of one key inside one piece for one column, and a second kernel adds the pieces of keys that reach over several.
// Sums are float for Half and BFloat16, 64-bit for integers. Cost: one read of x, and of y where something is added.
#include <fulmen/kernels/compute.h>
#include <fulmen/kernels/cuda/ordered.h>

namespace fulmen::gpu {

namespace {

constexpr int threads = 256;
constexpr int64_t piece = 256;  // rows of one key that one thread adds up

template <class T>
using Accumulator = std::conditional_t<std::is_integral_v<T>, uint64_t, Compute<T>>;

template <class T>
GPU_INLINE T plus(T y, Accumulator<T> sum, double alpha) {
  if constexpr (std::is_same_v<T, bool>) {
    return y || (sum != 0 && alpha != 0);
  } else if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<uint64_t>(y) + static_cast<uint64_t>(static_cast<int64_t>(alpha)) * sum);
  } else {
    return converted<T>(converted<Compute<T>>(y) + static_cast<Compute<T>>(alpha) * sum);
  }
}

/// The sorted rows, and how threads share them: one per row and column.
struct Sorted {
  const uint64_t* keys;
  const int64_t* positions;
  int64_t n, columns;
  OrderedRows rows;

  GPU_INLINE bool begins(int64_t row) const { return row == 0 || keys[row] != keys[row - 1]; }
  GPU_INLINE bool ends(int64_t row) const { return row + 1 == n || keys[row] != keys[row + 1]; }
  GPU_INLINE bool used(int64_t row) const { return keys[row] < static_cast<uint64_t>(rows.limit); }
};

template <class T>
GPU_INLINE void add_to(T* y, const Sorted& s, int64_t row, int64_t column, Accumulator<T> sum, double alpha) {
  int64_t target[1], rest[2];
  s.rows.target.at(static_cast<int64_t>(s.keys[row]), target);
  s.rows.rest.at(column, rest);
  T& to = y[target[0] + rest[0]];
  to = plus(to, sum, alpha);
}

// partial[piece, 0, column]: of the key that begins in a piece and goes on; [piece, 1, column]: of one that came
// before.
template <class T>
__global__ __launch_bounds__(threads) void add_pieces(T* y, const T* x, Sorted s, Accumulator<T>* partial,
                                                      double alpha) {
  const int64_t me = thread_index();
  if (me >= s.n * s.columns) return;
  const int64_t first = me / s.columns, column = me % s.columns;
  const bool begins = s.begins(first);
  if (!s.used(first) || (!begins && first % piece != 0)) return;
  int64_t last = (first / piece + 1) * piece;
  if (last > s.n) last = s.n;
  int64_t rest[2];
  s.rows.rest.at(column, rest);
  const uint64_t key = s.keys[first];
  Accumulator<T> sum{};
  int64_t row = first;
  for (; row < last && s.keys[row] == key; ++row) {
    int64_t source[1];
    s.rows.source.at(s.positions[row], source);
    sum += converted<Accumulator<T>>(x[source[0] + rest[1]]);
  }
  if (begins && (row < last || s.ends(row - 1))) {
    add_to(y, s, first, column, sum, alpha);
  } else {
    partial[(first / piece * 2 + (begins ? 0 : 1)) * s.columns + column] = sum;
  }
}

template <class T>
__global__ __launch_bounds__(threads) void join_pieces(T* y, Sorted s, const Accumulator<T>* partial, double alpha) {
  const int64_t me = thread_index(), pieces = (s.n + piece - 1) / piece;
  if (me >= (pieces - 1) * s.columns) return;
  const int64_t first = me / s.columns, column = me % s.columns, last = (first + 1) * piece - 1;
  const uint64_t key = s.keys[last];
  if (!s.used(last) || s.ends(last)) return;
  if (s.keys[first * piece] == key && !s.begins(first * piece)) return;  // an earlier piece's
  Accumulator<T> sum = partial[first * 2 * s.columns + column];
  for (int64_t p = first + 1; p < pieces && s.keys[p * piece] == key; ++p) {
    sum += partial[(p * 2 + 1) * s.columns + column];
  }
  add_to(y, s, last, column, sum, alpha);
}

template <class T>
__global__ __launch_bounds__(threads) void put_last(T* y, const T* x, Sorted s) {
  const int64_t me = thread_index();
  if (me >= s.n * s.columns) return;
  const int64_t row = me / s.columns, column = me % s.columns;
  if (!s.used(row) || !s.ends(row)) return;
  int64_t target[1], source[1], rest[2];
  s.rows.target.at(static_cast<int64_t>(s.keys[row]), target);
  s.rows.source.at(s.positions[row], source);
  s.rows.rest.at(column, rest);
  y[target[0] + rest[0]] = x[source[0] + rest[1]];
}

Sorted sorted_rows(const KeySort<uint64_t>& sorted, const OrderedRows& rows) {
  return {sorted.keys(), sorted.positions(), sorted.count(), rows.rest.items, rows};
}

template <class T>
void add(const Launch& launch, T* y, const T* x, const Sorted& s, double alpha) {
  const int64_t pieces = (s.n + piece - 1) / piece;
  const cuda::Workspace partial(launch, static_cast<size_t>(pieces * 2 * s.columns) * sizeof(Accumulator<T>));
  GPU_LAUNCH(add_pieces<T>, blocks_for(s.n * s.columns, threads), threads, 0, launch, y, x, s,
             partial.as<Accumulator<T>>(), alpha);
  if (pieces == 1) return;
  GPU_LAUNCH(join_pieces<T>, blocks_for((pieces - 1) * s.columns, threads), threads, 0, launch, y, s,
             partial.as<Accumulator<T>>(), alpha);
}

}  // namespace

void ordered_add(const Launch& launch, ScalarType type, void* y, const void* x, const KeySort<uint64_t>& sorted,
                 const OrderedRows& rows, double alpha) {
  const Sorted s = sorted_rows(sorted, rows);
  if (s.n * s.columns == 0) return;
  switch (type) {
#define X(T, N)       \
  case ScalarType::N: \
    return add(launch, static_cast<T*>(y), static_cast<const T*>(x), s, alpha);
    FULMEN_FOR_EACH_DTYPE(X)
#undef X
    default:
      return;
  }
}

void ordered_put(const Launch& launch, ScalarType type, void* y, const void* x, const KeySort<uint64_t>& sorted,
                 const OrderedRows& rows) {
  const Sorted s = sorted_rows(sorted, rows);
  if (s.n * s.columns == 0) return;
  const unsigned blocks = blocks_for(s.n * s.columns, threads);
  switch (element_size(type)) {
#define PUT(T) GPU_LAUNCH(put_last<T>, blocks, threads, 0, launch, static_cast<T*>(y), static_cast<const T*>(x), s)
    case 1:
      PUT(uint8_t);
      return;
    case 2:
      PUT(uint16_t);
      return;
    case 4:
      PUT(uint32_t);
      return;
    default:
      PUT(uint64_t);
#undef PUT
  }
}

}  // namespace fulmen::gpu
