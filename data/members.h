#pragma once
#include <fulmen/data/dict.h>
#include <fulmen/data/example.h>

#include <array>
#include <concepts>
#include <optional>
#include <tuple>
#include <type_traits>

// Members of a batch as a tuple of references, for any aggregate of up to 12 members, without a macro: the members are
// counted by trying how many braces initialise the type, and named by a structured binding.
namespace fulmen::data::detail {

struct ConvertsToAnything {
  template <class T>
  operator T() const;
};

template <class T, size_t... I>
constexpr bool braces_fit(std::index_sequence<I...>) {
  return requires { T{(static_cast<void>(I), ConvertsToAnything{})...}; };
}
template <class T, size_t N>
constexpr size_t count_members() {
  if constexpr (N == 0) {
    return 0;
  } else if constexpr (braces_fit<T>(std::make_index_sequence<N>())) {
    return N;
  } else {
    return count_members<T, N - 1>();
  }
}
inline constexpr size_t max_members = 12;

template <class T>
inline constexpr bool is_example = false;
template <class D, class T>
inline constexpr bool is_example<Example<D, T>> = true;
template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

template <class T>
concept TupleLike = requires {
  std::tuple_size<T>::value;
};

/// What is taken apart into members: everything but tensors, dictionaries, numbers, texts and lists.
template <class T>
concept Composite = is_example<T> || TupleLike<T> ||
    (std::is_aggregate_v<T>&& std::is_class_v<T> && !std::same_as<T, Dict> && !std::is_array_v<T>);

/// References to all members: tie_members(Example{x, y}) is (x, y).
template <class T>
constexpr auto tie_members(T& t) {
  using Plain = std::remove_const_t<T>;
  if constexpr (TupleLike<Plain>) {
    return std::apply([](auto&... member) { return std::tie(member...); }, t);
  } else if constexpr (is_example<Plain>) {
    if constexpr (std::is_void_v<typename Plain::TargetType>) {
      return std::tie(t.data);
    } else {
      return std::tie(t.data, t.target);
    }
  } else {
    constexpr size_t n = count_members<Plain, max_members + 1>();
    static_assert(n <= max_members, "a batch has at most 12 members; group some of them in a struct of their own");
    if constexpr (n == 0) {
      return std::tuple<>();
    } else if constexpr (n == 1) {
      auto& [a] = t;
      return std::tie(a);
    } else if constexpr (n == 2) {
      auto& [a, b] = t;
      return std::tie(a, b);
    } else if constexpr (n == 3) {
      auto& [a, b, c] = t;
      return std::tie(a, b, c);
    } else if constexpr (n == 4) {
      auto& [a, b, c, d] = t;
      return std::tie(a, b, c, d);
    } else if constexpr (n == 5) {
      auto& [a, b, c, d, e] = t;
      return std::tie(a, b, c, d, e);
    } else if constexpr (n == 6) {
      auto& [a, b, c, d, e, f] = t;
      return std::tie(a, b, c, d, e, f);
    } else if constexpr (n == 7) {
      auto& [a, b, c, d, e, f, g] = t;
      return std::tie(a, b, c, d, e, f, g);
    } else if constexpr (n == 8) {
      auto& [a, b, c, d, e, f, g, h] = t;
      return std::tie(a, b, c, d, e, f, g, h);
    } else if constexpr (n == 9) {
      auto& [a, b, c, d, e, f, g, h, i] = t;
      return std::tie(a, b, c, d, e, f, g, h, i);
    } else if constexpr (n == 10) {
      auto& [a, b, c, d, e, f, g, h, i, j] = t;
      return std::tie(a, b, c, d, e, f, g, h, i, j);
    } else if constexpr (n == 11) {
      auto& [a, b, c, d, e, f, g, h, i, j, k] = t;
      return std::tie(a, b, c, d, e, f, g, h, i, j, k);
    } else {
      auto& [a, b, c, d, e, f, g, h, i, j, k, l] = t;
      return std::tie(a, b, c, d, e, f, g, h, i, j, k, l);
    }
  }
}

/// A name for member k in messages: Example's are "data" and "target"; C++20 does not tell the others.
template <class T>
std::string member_name(size_t k) {
  if constexpr (is_example<T>) {
    return k == 0 ? "data" : "target";
  } else {
    return "member " + std::to_string(k);
  }
}

}  // namespace fulmen::data::detail
