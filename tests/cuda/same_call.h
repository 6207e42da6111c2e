#pragma once
#include <type_traits>

// Our declaration of a function of NVIDIA's against the one in its header, parameter by parameter: a pointer for a
// pointer, a number for a number of the same size.
template <class Ours, class Theirs>
constexpr bool same_kind = sizeof(Ours) == sizeof(Theirs) && std::is_pointer_v<Ours> == std::is_pointer_v<Theirs>;
template <class Ours, class Theirs>
constexpr bool same_call = false;
template <class R, class... A, class R2, class... B>
constexpr bool same_call<R (*)(A...), R2 (*)(B...)> = (same_kind<R, R2> && ... && same_kind<A, B>);
