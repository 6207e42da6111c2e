#pragma once
#include <fulmen/tensor/ref_count.h>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace fulmen {

template <class Signature>
class AnyFunction;

/// Any callable of the signature R(A...), or none. Like std::function, whose header would add a sixth to what including
/// this library costs; copies share the callable.
template <class R, class... A>
class AnyFunction<R(A...)> {
 public:
  AnyFunction() = default;
  AnyFunction(std::nullptr_t) {}
  template <class F>
  requires(!std::is_same_v<std::decay_t<F>, AnyFunction> && std::is_invocable_r_v<R, std::decay_t<F>&, A...>)
      AnyFunction(F&& callable) {
    if constexpr (std::is_pointer_v<std::remove_reference_t<F>>) {
      if (callable == nullptr) return;
    }
    held_ = new Held<std::decay_t<F>>(std::forward<F>(callable));
  }
  AnyFunction(const AnyFunction& other) : held_(other.held_) {
    if (held_) held_->refs.increment();
  }
  AnyFunction(AnyFunction&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
  AnyFunction& operator=(AnyFunction other) noexcept {
    std::swap(held_, other.held_);
    return *this;
  }
  ~AnyFunction() {
    if (held_ && held_->refs.decrement()) delete held_;
  }

  explicit operator bool() const noexcept { return held_ != nullptr; }
  R operator()(A... arguments) const { return held_->call(std::forward<A>(arguments)...); }

 private:
  struct Holder {
    virtual ~Holder() = default;
    virtual R call(A... arguments) = 0;
    AtomicCounter refs{1};
  };
  template <class F>
  struct Held final : Holder {
    explicit Held(F f) : callable(std::move(f)) {}
    R call(A... arguments) override { return static_cast<R>(callable(std::forward<A>(arguments)...)); }
    F callable;
  };
  Holder* held_ = nullptr;
};

}  // namespace fulmen
