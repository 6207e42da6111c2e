#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <optional>
#include <type_traits>
#include <vector>

namespace fulmen {

[[noreturn]] void array_ref_out_of_range(size_t index, size_t size);

/// A borrowed, read-only run of values; never owns. Valid as long as what it was made from.
template <class T>
class ArrayRef {
 public:
  using value_type = T;
  using const_iterator = const T*;
  using iterator = const T*;

  constexpr ArrayRef() = default;
  constexpr ArrayRef(const T& one) : data_(&one), size_(1) {}
  constexpr ArrayRef(const T* data, size_t size) : data_(data), size_(size) {}
  constexpr ArrayRef(const T* begin, const T* end) : data_(begin), size_(static_cast<size_t>(end - begin)) {}
  template <class A>
  ArrayRef(const std::vector<T, A>& v) : data_(v.data()), size_(v.size()) {
    static_assert(!std::is_same_v<T, bool>, "ArrayRef<bool> cannot be made from std::vector<bool>");
  }
  template <size_t N>
  constexpr ArrayRef(const std::array<T, N>& a) : data_(a.data()), size_(N) {}
  template <size_t N>
  constexpr ArrayRef(const T (&a)[N]) : data_(a), size_(N) {}
// The list outlives the call it is written in, which is all a function parameter needs.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winit-list-lifetime"
#endif
  constexpr ArrayRef(const std::initializer_list<T>& list)
      : data_(list.begin() == list.end() ? nullptr : list.begin()), size_(list.size()) {}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

  constexpr const T* begin() const { return data_; }
  constexpr const T* end() const { return data_ + size_; }
  constexpr const T* cbegin() const { return begin(); }
  constexpr const T* cend() const { return end(); }
  constexpr const T* data() const { return data_; }
  constexpr size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr const T& operator[](size_t i) const { return data_[i]; }
  const T& at(size_t i) const {
    if (i >= size_) array_ref_out_of_range(i, size_);
    return data_[i];
  }
  const T& front() const { return at(0); }
  const T& back() const { return at(size_ - 1); }
  /// The `count` values that begin at `start`.
  ArrayRef slice(size_t start, size_t count) const {
    if (start + count > size_) array_ref_out_of_range(start + count, size_);
    return {data_ + start, count};
  }
  ArrayRef slice(size_t start) const { return slice(start, size_ - start); }
  std::vector<T> vec() const { return std::vector<T>(begin(), end()); }
  bool equals(ArrayRef other) const {
    if (size_ != other.size_) return false;
    for (size_t i = 0; i < size_; ++i) {
      if (!(data_[i] == other.data_[i])) return false;
    }
    return true;
  }

 private:
  const T* data_ = nullptr;
  size_t size_ = 0;
};

template <class T>
bool operator==(ArrayRef<T> a, ArrayRef<T> b) {
  return a.equals(b);
}
template <class T>
bool operator==(ArrayRef<T> a, const std::vector<T>& b) {
  return a.equals(b);
}
template <class T>
bool operator==(const std::vector<T>& a, ArrayRef<T> b) {
  return b.equals(a);
}

using IntArrayRef = ArrayRef<int64_t>;
/// "[2, 3]"
std::ostream& operator<<(std::ostream& out, IntArrayRef list);

/// An optional list of integers; unlike std::optional<IntArrayRef> it keeps a single value alive itself.
class OptionalIntArrayRef {
 public:
  OptionalIntArrayRef() = default;
  OptionalIntArrayRef(std::nullopt_t) {}
  OptionalIntArrayRef(int64_t one) : values_(std::vector<int64_t>{one}) {}
  OptionalIntArrayRef(IntArrayRef list) : values_(list.vec()) {}
  OptionalIntArrayRef(std::initializer_list<int64_t> list) : values_(std::vector<int64_t>(list)) {}
  OptionalIntArrayRef(const std::vector<int64_t>& list) : values_(list) {}
  OptionalIntArrayRef(const std::optional<IntArrayRef>& list) {
    if (list) values_ = list->vec();
  }
  bool has_value() const { return values_.has_value(); }
  explicit operator bool() const { return has_value(); }
  IntArrayRef value() const { return *values_; }
  IntArrayRef operator*() const { return *values_; }
  IntArrayRef value_or(IntArrayRef other) const { return values_ ? IntArrayRef(*values_) : other; }

 private:
  std::optional<std::vector<int64_t>> values_;
};

}  // namespace fulmen
