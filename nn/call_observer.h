#pragma once
#include <fulmen/tensor/tensor.h>

#include <tuple>

namespace fulmen::nn {

class Module;

/// While one lives, it sees the calls of modules on its thread: those through a holder, `layer(x)`, and those by a
/// Sequential. It does not see `layer->forward(x)`, which is a plain function call.
class CallObserver {
 public:
  CallObserver();
  virtual ~CallObserver();
  CallObserver(const CallObserver&) = delete;
  CallObserver& operator=(const CallObserver&) = delete;
  /// After a call: its first argument, and its result or the first of them; undefined where these are not tensors.
  virtual void called(const Module& module, const Tensor& input, const Tensor& output) = 0;

 private:
  CallObserver* before_;
};

namespace detail {

inline thread_local constinit CallObserver* call_observer = nullptr;

inline const Tensor& as_tensor(const Tensor& value) { return value; }
template <class... T>
const Tensor& as_tensor(const std::tuple<Tensor, T...>& values) {
  return std::get<0>(values);
}
template <class T>
Tensor as_tensor(const T&) {
  return Tensor();
}

template <class M, class... Args>
auto observed_call(M& module, Args&&... args) {
  Tensor input;
  size_t position = 0;
  ((position++ == 0 ? void(input = as_tensor(args)) : void()), ...);
  if constexpr (std::is_void_v<decltype(module.forward(std::forward<Args>(args)...))>) {
    module.forward(std::forward<Args>(args)...);
    call_observer->called(module, input, Tensor());
  } else {
    auto result = module.forward(std::forward<Args>(args)...);
    call_observer->called(module, input, as_tensor(result));
    return result;
  }
}

}  // namespace detail
}  // namespace fulmen::nn
