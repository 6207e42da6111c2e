#pragma once
#include <fulmen/tensor/array_ref.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <optional>
#include <vector>

namespace fulmen {

namespace detail {
[[noreturn]] void expanding_array_size(size_t expected, size_t got);
void print_list(std::ostream& out, IntArrayRef values);
void print_list(std::ostream& out, ArrayRef<double> values);
void print_list(std::ostream& out, ArrayRef<std::optional<int64_t>> values);
}  // namespace detail

/// Exactly D values; a single one stands for D equal ones (`kernel_size(3)` is [3, 3]).
template <size_t D, class T = int64_t>
class ExpandingArray {
 public:
  ExpandingArray(std::initializer_list<T> list) : ExpandingArray(ArrayRef<T>(list.begin(), list.size())) {}
  ExpandingArray(const std::vector<T>& values) : ExpandingArray(ArrayRef<T>(values)) {}
  ExpandingArray(ArrayRef<T> values) {
    if (values.size() != D) detail::expanding_array_size(D, values.size());
    for (size_t i = 0; i < D; ++i) values_[i] = values[i];
  }
  ExpandingArray(T single) { values_.fill(single); }
  ExpandingArray(const std::array<T, D>& values) : values_(values) {}

  std::array<T, D>& operator*() { return values_; }
  const std::array<T, D>& operator*() const { return values_; }
  std::array<T, D>* operator->() { return &values_; }
  const std::array<T, D>* operator->() const { return &values_; }
  operator ArrayRef<T>() const { return values_; }
  size_t size() const noexcept { return D; }
  friend bool operator==(const ExpandingArray&, const ExpandingArray&) = default;

 private:
  std::array<T, D> values_;
};

/// An ExpandingArray whose entries may be absent (an output size of adaptive pooling: "as the input").
template <size_t D, class T = int64_t>
class ExpandingArrayWithOptionalElem : public ExpandingArray<D, std::optional<T>> {
 public:
  using ExpandingArray<D, std::optional<T>>::ExpandingArray;
  ExpandingArrayWithOptionalElem(std::initializer_list<T> list)
      : ExpandingArrayWithOptionalElem(ArrayRef<T>(list.begin(), list.size())) {}
  ExpandingArrayWithOptionalElem(const std::vector<T>& values) : ExpandingArrayWithOptionalElem(ArrayRef<T>(values)) {}
  ExpandingArrayWithOptionalElem(ArrayRef<T> values) : ExpandingArray<D, std::optional<T>>(std::nullopt) {
    if (values.size() != D) detail::expanding_array_size(D, values.size());
    for (size_t i = 0; i < D; ++i) (**this)[i] = values[i];
  }
  ExpandingArrayWithOptionalElem(T single) : ExpandingArray<D, std::optional<T>>(std::optional<T>(single)) {}
};

template <size_t D, class T>
std::ostream& operator<<(std::ostream& out, const ExpandingArray<D, T>& values) {
  detail::print_list(out, ArrayRef<T>(values));
  return out;
}

}  // namespace fulmen
