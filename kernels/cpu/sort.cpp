#include <fulmen/kernels/cpu/parallel.h>
#include <fulmen/kernels/gather.h>

#include <cstddef>

namespace fulmen::FULMEN_ISA {

namespace {

template <class T>
struct Entry {
  T value;
  int64_t position;
};

template <class T>
using Ordered = std::conditional_t<std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>, float, T>;

/// Whether a must come before b although it stands behind it; NaN is the largest value.
template <bool descending, class T>
FULMEN_INLINE bool before(const Entry<T>& a, const Entry<T>& b) {
  Ordered<T> x = a.value, y = b.value;
  if constexpr (descending) return x > y || (x != x && y == y);
  return x < y || (y != y && x == x);
}

/// In the order of the result, positions deciding between equal values: a strict order for selection.
template <bool descending, class T>
FULMEN_INLINE bool precedes(const Entry<T>& a, const Entry<T>& b) {
  return before<descending>(a, b) || (!before<descending>(b, a) && a.position < b.position);
}

// Merge sort from the bottom: runs of 16 by insertion, then pairs of runs from one buffer into the other. Stable.
template <bool descending, class T>
void merge_sort(Entry<T>* x, Entry<T>* spare, int64_t n) {
  constexpr int64_t run = 16;
  for (int64_t first = 0; first < n; first += run) {
    int64_t end = first + run < n ? first + run : n;
    for (int64_t i = first + 1; i < end; ++i) {
      Entry<T> entry = x[i];
      int64_t j = i;
      for (; j > first && before<descending>(entry, x[j - 1]); --j) x[j] = x[j - 1];
      x[j] = entry;
    }
  }
  Entry<T>*from = x, *to = spare;
  for (int64_t width = run; width < n; width *= 2) {
    for (int64_t first = 0; first < n; first += 2 * width) {
      int64_t middle = first + width < n ? first + width : n, end = first + 2 * width < n ? first + 2 * width : n;
      int64_t a = first, b = middle;
      for (int64_t k = first; k < end; ++k) {
        bool take_second = a == middle || (b < end && before<descending>(from[b], from[a]));
        to[k] = take_second ? from[b++] : from[a++];
      }
    }
    Entry<T>* other = from;
    from = to;
    to = other;
  }
  if (from != x) {
    for (int64_t i = 0; i < n; ++i) x[i] = from[i];
  }
}

// Lets entry `i` sink in a heap whose root is the last of its `count` entries in the order of the result.
template <bool descending, class T>
void sink(Entry<T>* heap, int64_t count, int64_t i) {
  for (int64_t child = 2 * i + 1; child < count; child = 2 * i + 1) {
    if (child + 1 < count && precedes<descending>(heap[child], heap[child + 1])) ++child;
    if (!precedes<descending>(heap[i], heap[child])) return;
    Entry<T> moved = heap[i];
    heap[i] = heap[child];
    heap[child] = moved;
    i = child;
  }
}

// The first `count` of n entries, in any order, at the front of x.
template <bool descending, class T>
void select_first(Entry<T>* x, int64_t n, int64_t count) {
  for (int64_t i = count / 2 - 1; i >= 0; --i) sink<descending>(x, count, i);
  for (int64_t i = count; i < n; ++i) {
    if (!precedes<descending>(x[i], x[0])) continue;
    x[0] = x[i];
    sink<descending>(x, count, 0);
  }
}

// Selection keeps no order: entries go back by position before the stable sort.
template <class T>
void order_by_position(Entry<T>* x, int64_t n) {
  for (int64_t i = 1; i < n; ++i) {
    Entry<T> entry = x[i];
    int64_t j = i;
    for (; j > 0 && x[j - 1].position > entry.position; --j) x[j] = x[j - 1];
    x[j] = entry;
  }
}

template <bool descending, class T>
void sort_rows(const View& values, const View& positions, int64_t count) {
  int64_t rows = values.sizes[0], n = values.sizes[1];
  T* data = values.as<T>();
  auto* out = positions.as<int64_t>();
  constexpr int64_t selection_limit = 64;
  bool select = count <= selection_limit && count * 4 < n;
  parallel_for(rows, 2048 / n + 1, [&](int64_t begin, int64_t end) {
    auto* entries = static_cast<Entry<T>*>(__builtin_malloc(static_cast<size_t>(2 * n) * sizeof(Entry<T>)));
    if (!entries) __builtin_trap();
    for (int64_t row = begin; row < end; ++row) {
      T* x = data + row * n;
      for (int64_t i = 0; i < n; ++i) entries[i] = {x[i], i};
      if (select) {
        select_first<descending>(entries, n, count);
        order_by_position(entries, count);
      }
      int64_t sorted = select ? count : n;
      merge_sort<descending>(entries, entries + n, sorted);
      for (int64_t i = 0; i < sorted; ++i) {
        x[i] = entries[i].value;
        out[row * n + i] = entries[i].position;
      }
    }
    __builtin_free(entries);
  });
}

}  // namespace

void sort(const Launch&, const View& values, const View& positions, bool descending, int64_t count) {
  if (values.numel == 0) return;
  switch (values.dtype) {
#define X(T, N)       \
  case ScalarType::N: \
    return descending ? sort_rows<true, T>(values, positions, count) : sort_rows<false, T>(values, positions, count);
    FULMEN_FOR_EACH_DTYPE(X)
#undef X
    default:
      return;
  }
}

namespace {

template <class T, class Acc>
void cumsum_as(const View& y, const ConstView& x) {
  int64_t outer = x.sizes[0], n = x.sizes[1], inner = x.sizes[2];
  const T* from = x.as<T>();
  T* to = y.as<T>();
  constexpr int64_t tile = 256;
  int64_t tiles = (inner + tile - 1) / tile;
  parallel_for(outer * tiles, 16384 / (n * (inner < tile ? inner : tile)) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      int64_t first = t % tiles * tile, width = inner - first < tile ? inner - first : tile;
      int64_t at = t / tiles * n * inner + first;
      Acc sum[tile] = {};
      for (int64_t k = 0; k < n; ++k, at += inner) {
        for (int64_t i = 0; i < width; ++i) {
          sum[i] = sum[i] + static_cast<Acc>(from[at + i]);
          to[at + i] = static_cast<T>(sum[i]);
        }
      }
    }
  });
}

}  // namespace

void cumsum(const Launch&, const View& y, const ConstView& x) {
  if (x.numel == 0) return;
  switch (x.dtype) {
    case ScalarType::Half:
      return cumsum_as<Half, float>(y, x);
    case ScalarType::BFloat16:
      return cumsum_as<BFloat16, float>(y, x);
    case ScalarType::Float:
      return cumsum_as<float, double>(y, x);
    case ScalarType::Double:
      return cumsum_as<double, double>(y, x);
    case ScalarType::Long:
      return cumsum_as<int64_t, uint64_t>(y, x);
    default:
      return;
  }
}

}  // namespace fulmen::FULMEN_ISA
