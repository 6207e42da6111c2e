#pragma once
#include <type_traits>

namespace c10 {

/// The integers from begin (or 0) up to, not including, end.
template <class T>
class integer_range {
 public:
  struct iterator {
    T value;
    T operator*() const { return value; }
    iterator& operator++() {
      ++value;
      return *this;
    }
    friend bool operator==(iterator, iterator) = default;
  };
  integer_range(T begin, T end) : begin_{begin}, end_{end < begin ? begin : end} {}
  iterator begin() const { return begin_; }
  iterator end() const { return end_; }

 private:
  iterator begin_, end_;
};
template <class T>
requires std::is_integral_v<T> integer_range<T> irange(T end) { return {T(0), end}; }
template <class B, class E>
requires(std::is_integral_v<B>&& std::is_integral_v<E>) integer_range<E> irange(B begin, E end) {
  return {static_cast<E>(begin), end};
}
}  // namespace c10
