#pragma once
#include <fulmen/tensor/tensor.h>

#include <concepts>
#include <optional>
#include <vector>

// Mixed precision as PyTorch's autocast: within the scope of an Autocast, matrix products of float32 tensors are
// computed in a type of half the width, and what loses too much by it is computed in float32. Which operations these
// are is in the lists below, and follows PyTorch's for each device (its "CPU Op-Specific Behavior" and "CUDA
// Op-Specific Behavior"). float64 and integers are left alone.
namespace fulmen {

namespace autocast {

/// What becomes of the floating-point arguments of an operation under autocast.
enum class Policy : uint8_t {
  Keep,     ///< nothing
  Lower,    ///< converted to autocast's type
  Float32,  ///< converted to float32
  Promote,  ///< converted to the widest type among them
};
struct Policies {
  Policy cpu, cuda;
};
/// Matrix products and layers made of them.
inline constexpr Policies products{Policy::Lower, Policy::Lower};
/// Losses, products of all elements.
inline constexpr Policies wide{Policy::Float32, Policy::Float32};
/// Exponentials, logarithms, powers, softmax, norms, sums: CPU kernels compute them in float32 anyway.
inline constexpr Policies wide_on_cuda{Policy::Keep, Policy::Float32};
inline constexpr Policies lower_on_cuda{Policy::Keep, Policy::Lower};
inline constexpr Policies promoted{Policy::Promote, Policy::Promote};
inline constexpr Policies promoted_on_cpu{Policy::Promote, Policy::Keep};
inline constexpr Policies promoted_on_cuda{Policy::Keep, Policy::Promote};

/// Whether autocast is on for any device in this thread: all that an operation looks at when it is off.
inline thread_local constinit bool active = false;

bool is_autocast_enabled(DeviceType device);
void set_autocast_enabled(DeviceType device, bool enabled);
/// bfloat16 on the CPU and float16 on CUDA, unless set.
ScalarType get_autocast_dtype(DeviceType device);
/// float16 or bfloat16.
void set_autocast_dtype(DeviceType device, ScalarType dtype);
/// Whether the lower copy of a parameter is kept until the outermost scope ends.
bool is_autocast_cache_enabled();
void set_autocast_cache_enabled(bool enabled);
void clear_cache();
/// How many scopes are open; the cache is cleared when there are none.
int increment_nesting();
int decrement_nesting();

/// No autocast until the end of the scope.
class Off {
 public:
  Off() : before_(active) { active = false; }
  ~Off() { active = before_; }
  Off(const Off&) = delete;
  Off& operator=(const Off&) = delete;

 private:
  bool before_;
};

namespace detail {
Tensor cast(const Tensor& x, DeviceType device, ScalarType dtype);
bool applies(Policies policies, const Tensor& x);
/// Floating point, and not float64.
bool is_narrow(const Tensor& x);
/// The type to convert to; for Promote the narrowest that may come out.
ScalarType target(Policies policies, DeviceType device);
bool promotes(Policies policies, DeviceType device);
ScalarType widest(ScalarType dtype, const Tensor& x, DeviceType device);

template <class A, class... Rest>
DeviceType device_of(const A& x, const Rest&... rest) {
  if constexpr (std::same_as<A, Tensor>) {
    return x.device().type();
  } else if constexpr (std::same_as<A, TensorList>) {
    return x[0].device().type();
  } else {
    return device_of(rest...);
  }
}
template <class A>
decltype(auto) cast_argument(const A& x, DeviceType device, ScalarType dtype) {
  if constexpr (std::same_as<A, Tensor>) {
    return cast(x, device, dtype);
  } else if constexpr (std::same_as<A, TensorList>) {
    std::vector<Tensor> all;
    for (const Tensor& t : x) all.push_back(cast(t, device, dtype));
    return all;
  } else {
    return (x);
  }
}
template <class A>
ScalarType widest_argument(ScalarType dtype, const A& x, DeviceType device) {
  if constexpr (std::same_as<A, Tensor>) {
    return widest(dtype, x, device);
  } else if constexpr (std::same_as<A, TensorList>) {
    for (const Tensor& t : x) dtype = widest(dtype, t, device);
  }
  return dtype;
}
}  // namespace detail

/// Whether an operation with these policies must be called through `recast`; `x` is its first tensor.
inline bool applies(Policies policies, const Tensor& x) { return active && detail::applies(policies, x); }

/// Whether a product of these two gives them one type.
inline bool converts(const Tensor& a, const Tensor& b) {
  return applies(products, a) && detail::is_narrow(a) && detail::is_narrow(b);
}

/// The dtype argument of an operation that takes one (softmax, sum, ...): what the caller asked for, else float32 where
/// the policy wants it.
inline std::optional<ScalarType> wide_dtype(Policies policies, const Tensor& x, std::optional<ScalarType> asked) {
  return asked || !applies(policies, x) || !detail::is_narrow(x) ? asked : kFloat;
}

/// Calls `f` without autocast and with its tensors converted; other arguments are passed on as they are. The device of
/// the first tensor decides whose rules hold:
///
///     if (autocast::applies(autocast::products, a)) return autocast::recast(autocast::products, mm, a, b);
template <class F, class... A>
Tensor recast(Policies policies, F&& f, const A&... arguments) {
  const DeviceType device = detail::device_of(arguments...);
  ScalarType dtype = detail::target(policies, device);
  if (detail::promotes(policies, device)) ((dtype = detail::widest_argument(dtype, arguments, device)), ...);
  Off off;
  return f(detail::cast_argument(arguments, device, dtype)...);
}

}  // namespace autocast

/// Mixed precision until the end of the scope, for one kind of device:
///
///     { Autocast mixed(kCPU); loss = model->forward(x); }
///     loss.backward();
class Autocast {
 public:
  explicit Autocast(DeviceType device, bool enabled = true)
      : Autocast(device, autocast::get_autocast_dtype(device), enabled) {}
  /// `dtype` is float16 or bfloat16.
  Autocast(DeviceType device, ScalarType dtype, bool enabled = true, bool cache_enabled = true);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  DeviceType device_;
  ScalarType dtype_before_;
  bool enabled_before_, cache_before_;
};

}  // namespace fulmen
