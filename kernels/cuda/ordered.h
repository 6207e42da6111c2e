#pragma once
#include <fulmen/kernels/cuda/key_sort.h>
#include <fulmen/kernels/cuda/places.h>

namespace fulmen::gpu {

/// Many rows of x that go to rows of y which may be the same: x row `position` belongs to y row `key`. A row's `numel`
/// elements lie in y and x as `rest` says, behind the places of the row.
struct OrderedRows {
  Places<1> target;  ///< of y, by key
  Places<1> source;  ///< of x, by position
  Places<2> rest;    ///< of y and x, by element of a row
  int64_t limit;     ///< keys from here on are left out
};

/// y[key] += alpha * x[position], where `sorted` has run. The order of additions depends on the keys only. `type` is
/// the dtype of both.
void ordered_add(const Launch& launch, ScalarType type, void* y, const void* x, const KeySort<uint64_t>& sorted,
                 const OrderedRows& rows, double alpha);
/// y[key] = the last of the rows of x that belong there; elements of `type`'s size.
void ordered_put(const Launch& launch, ScalarType type, void* y, const void* x, const KeySort<uint64_t>& sorted,
                 const OrderedRows& rows);

/// One dimension of n rows, `stride` elements from one to the next.
inline Places<1> rows_of(int64_t n, int64_t stride) {
  Layout<1> layout;
  layout.ndim = 1;
  layout.numel = layout.sizes[0] = n;
  layout.strides[0][0] = stride;
  return Places<1>(layout);
}
/// A row of n neighbouring elements in both.
inline Places<2> dense_row(int64_t n) {
  Layout<2> layout;
  layout.ndim = 1;
  layout.numel = layout.sizes[0] = n;
  layout.strides[0][0] = layout.strides[1][0] = 1;
  return Places<2>(layout);
}
/// The dimensions [from, to) of a view.
template <class V>
Places<1> places_of(const V& view, int from, int to) {
  Layout<1> layout;
  layout.ndim = 0;
  for (int d = from; d < to; ++d) {
    layout.sizes[layout.ndim] = view.sizes[d];
    layout.strides[0][layout.ndim++] = view.strides[d];
  }
  layout.merge();
  return Places<1>(layout);
}

}  // namespace fulmen::gpu
