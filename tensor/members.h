#pragma once
#include <cstddef>
#include <type_traits>
#include <utility>

namespace fulmen {

namespace detail {
/// Stands for any member while they are counted.
struct AnyMember {
  template <class T>
  operator T() const noexcept;
};
template <class T, size_t... I>
constexpr bool takes_members(std::index_sequence<I...>) {
  return requires { T{(static_cast<void>(I), AnyMember{})...}; };
}
template <class T, size_t N = 16>
constexpr size_t count_members() {
  if constexpr (N == 0 || takes_members<T>(std::make_index_sequence<N>())) {
    return N;
  } else {
    return count_members<T, N - 1>();
  }
}
}  // namespace detail

/// A plain struct: no constructors, no private members, no virtual functions.
template <class T>
concept Aggregate = std::is_class_v<std::remove_cvref_t<T>> && std::is_aggregate_v<std::remove_cvref_t<T>> &&
    !std::is_empty_v<std::remove_cvref_t<T>>;

/// How many members an aggregate has; up to 16 are counted.
template <Aggregate T>
inline constexpr size_t member_count = detail::count_members<std::remove_cvref_t<T>>();

/// Calls `visit` with every member of an aggregate, in order of declaration. This is how a batch of any struct type is
/// collated, moved to a device and measured without a macro. At most 16 members.
template <Aggregate T, class Visit>
constexpr void for_each_member(T&& object, Visit&& visit) {
  constexpr size_t n = member_count<T>;
  auto each = [&](auto&... members) { (visit(members), ...); };
  // clang-format off
  if constexpr (n == 1) { auto& [a] = object; each(a); }
  else if constexpr (n == 2) { auto& [a, b] = object; each(a, b); }
  else if constexpr (n == 3) { auto& [a, b, c] = object; each(a, b, c); }
  else if constexpr (n == 4) { auto& [a, b, c, d] = object; each(a, b, c, d); }
  else if constexpr (n == 5) { auto& [a, b, c, d, e] = object; each(a, b, c, d, e); }
  else if constexpr (n == 6) { auto& [a, b, c, d, e, f] = object; each(a, b, c, d, e, f); }
  else if constexpr (n == 7) { auto& [a, b, c, d, e, f, g] = object; each(a, b, c, d, e, f, g); }
  else if constexpr (n == 8) { auto& [a, b, c, d, e, f, g, h] = object; each(a, b, c, d, e, f, g, h); }
  else if constexpr (n == 9) { auto& [a, b, c, d, e, f, g, h, i] = object; each(a, b, c, d, e, f, g, h, i); }
  else if constexpr (n == 10) { auto& [a, b, c, d, e, f, g, h, i, j] = object; each(a, b, c, d, e, f, g, h, i, j); }
  else if constexpr (n == 11) { auto& [a, b, c, d, e, f, g, h, i, j, k] = object; each(a, b, c, d, e, f, g, h, i, j, k); }
  else if constexpr (n == 12) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l] = object; each(a, b, c, d, e, f, g, h, i, j, k, l);
  } else if constexpr (n == 13) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m] = object; each(a, b, c, d, e, f, g, h, i, j, k, l, m);
  } else if constexpr (n == 14) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, o] = object; each(a, b, c, d, e, f, g, h, i, j, k, l, m, o);
  } else if constexpr (n == 15) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, o, p] = object; each(a, b, c, d, e, f, g, h, i, j, k, l, m, o, p);
  } else if constexpr (n == 16) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q] = object;
    each(a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q);
  }
  // clang-format on
}

}  // namespace fulmen
