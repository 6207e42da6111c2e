// Reading and writing at positions given by index tensors.
#include <fulmen/kernels/cpu/parallel.h>
#include <fulmen/kernels/indexing.h>

namespace fulmen::FULMEN_ISA {

namespace {

constexpr int64_t grain = 16384;  // elements a thread should at least have

// The dimensions that are not indexed, of the indexed tensor ("far") and of the one with a row per position ("near");
// neighbours are merged where both allow it.
struct Rest {
  int ndim = 0;
  int64_t numel = 1;
  int64_t sizes[max_dims];
  int64_t far[max_dims], near[max_dims];
};

template <class Far, class Near>
FULMEN_INLINE Rest rest_of(const Far& far, const Near& near, int indexed) {
  Rest r;
  for (int d = indexed; d < far.ndim; ++d) {
    const int n = d - indexed + 1;
    const int64_t size = far.sizes[d];
    r.numel *= size;
    if (size == 1) continue;
    const int last = r.ndim - 1;
    if (last >= 0 && r.far[last] == far.strides[d] * size && r.near[last] == near.strides[n] * size) {
      r.sizes[last] *= size;
      r.far[last] = far.strides[d];
      r.near[last] = near.strides[n];
    } else {
      r.sizes[r.ndim] = size;
      r.far[r.ndim] = far.strides[d];
      r.near[r.ndim++] = near.strides[n];
    }
  }
  if (r.ndim == 0) {
    r.ndim = 1;
    r.sizes[0] = 1;
    r.far[0] = r.near[0] = 1;
  }
  return r;
}

// Where a row-major position over the first `indexed` dimensions lies, in elements.
template <class Far>
FULMEN_INLINE int64_t offset_of(const Far& far, int64_t place, int indexed) {
  int64_t offset = 0;
  for (int d = indexed - 1; d > 0; --d) {
    offset += place % far.sizes[d] * far.strides[d];
    place /= far.sizes[d];
  }
  return offset + place * far.strides[0];
}

// f(far element, near element, count, far step, near step) for each innermost run of one row.
template <class F, class N, class Run>
FULMEN_INLINE void each_run(F* far, N* near, const Rest& r, const Run& run) {
  const int last = r.ndim - 1;
  int64_t index[max_dims] = {};
  for (int64_t runs = r.numel / r.sizes[last]; runs > 0; --runs) {
    run(far, near, r.sizes[last], r.far[last], r.near[last]);
    for (int d = last - 1; d >= 0; --d) {
      far += r.far[d];
      near += r.near[d];
      if (++index[d] < r.sizes[d]) break;
      far -= index[d] * r.far[d];
      near -= index[d] * r.near[d];
      index[d] = 0;
    }
  }
}

template <class T>
void get(const View& y, const ConstView& x, const int64_t* places, int indexed) {
  const Rest r = rest_of(x, y, indexed);
  if (y.numel == 0) return;
  const int64_t rows_per_piece = (grain + r.numel - 1) / r.numel;
  parallel_for(y.sizes[0], rows_per_piece, [&](int64_t begin, int64_t end) {
    for (int64_t m = begin; m < end; ++m) {
      each_run(x.as<T>() + offset_of(x, places[m], indexed), y.as<T>() + m * y.strides[0], r,
               [](const T* from, T* to, int64_t n, int64_t from_step, int64_t to_step) {
                 if (from_step == 1 && to_step == 1) {
                   for (int64_t i = 0; i < n; ++i) to[i] = from[i];
                 } else {
                   for (int64_t i = 0; i < n; ++i) to[i * to_step] = from[i * from_step];
                 }
               });
    }
  });
}

// One position may come up several times, so rows are written in order; threads share the work by columns.
template <class T, class Write>
void put(const View& y, const int64_t* places, const ConstView& values, int indexed, const Write& write) {
  const Rest whole = rest_of(y, values, indexed);
  const int64_t rows = values.sizes[0];
  if (values.numel == 0) return;
  const int last = whole.ndim - 1;
  const int64_t cols = whole.sizes[last], work_per_col = rows * (whole.numel / cols);
  parallel_for(cols, (grain + work_per_col - 1) / work_per_col, [&](int64_t begin, int64_t end) {
    Rest r = whole;
    r.sizes[last] = end - begin;
    r.numel = whole.numel / cols * (end - begin);
    T* to_first = y.as<T>() + begin * r.far[last];
    const T* from_first = values.as<T>() + begin * r.near[last];
    for (int64_t m = 0; m < rows; ++m) {
      each_run(to_first + offset_of(y, places[m], indexed), from_first + m * values.strides[0], r,
               [&](T* to, const T* from, int64_t n, int64_t to_step, int64_t from_step) {
                 for (int64_t i = 0; i < n; ++i) write(to[i * to_step], from[i * from_step]);
               });
    }
  });
}

template <class T>
void put_values(const View& y, const int64_t* places, const ConstView& values, int indexed) {
  put<T>(y, places, values, indexed, [](T& to, T from) { to = from; });
}
template <class T>
void add_values(const View& y, const int64_t* places, const ConstView& values, int indexed) {
  put<T>(y, places, values, indexed, [](T& to, T from) { to = static_cast<T>(to + from); });
}

}  // namespace

void index_places(const Launch&, View places, ConstView index, int64_t size, bool first, View problem) {
  auto* to = places.as<int64_t>();
  const auto* from = index.as<int64_t>();
  int64_t at[max_dims] = {}, out_of_range = 0, example = 0;
  for (int64_t m = 0; m < places.numel; ++m) {
    const int64_t asked = *from, wrapped = asked < 0 ? asked + size : asked;
    if (wrapped < 0 || wrapped >= size) {
      ++out_of_range;
      example = asked;
    }
    to[m] = first ? wrapped : to[m] * size + wrapped;
    for (int d = index.ndim - 1; d >= 0; --d) {
      from += index.strides[d];
      if (++at[d] < index.sizes[d]) break;
      from -= at[d] * index.strides[d];
      at[d] = 0;
    }
  }
  problem.as<int64_t>()[0] = out_of_range;
  problem.as<int64_t>()[1] = example;
}

void index_get(const Launch&, View y, ConstView x, ConstView places, int32_t indexed) {
  const auto* p = places.as<int64_t>();
  switch (element_size(y.dtype)) {
    case 1:
      return get<uint8_t>(y, x, p, indexed);
    case 2:
      return get<uint16_t>(y, x, p, indexed);
    case 4:
      return get<uint32_t>(y, x, p, indexed);
    case 8:
      return get<uint64_t>(y, x, p, indexed);
    default:
      return;
  }
}

void index_put(const Launch&, View y, ConstView places, ConstView values, int32_t indexed, bool accumulate) {
  const auto* p = places.as<int64_t>();
  if (accumulate) {
    switch (y.dtype) {
#define X(T, N)       \
  case ScalarType::N: \
    return add_values<T>(y, p, values, indexed);
      FULMEN_FOR_EACH_DTYPE(X)
#undef X
      case ScalarType::Undefined:
        return;
    }
  }
  switch (element_size(y.dtype)) {
    case 1:
      return put_values<uint8_t>(y, p, values, indexed);
    case 2:
      return put_values<uint16_t>(y, p, values, indexed);
    case 4:
      return put_values<uint32_t>(y, p, values, indexed);
    case 8:
      return put_values<uint64_t>(y, p, values, indexed);
    default:
      return;
  }
}

}  // namespace fulmen::FULMEN_ISA
