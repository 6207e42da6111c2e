#pragma once
#include <fulmen/nn/cloneable.h>
#include <fulmen/nn/module_holder.h>

#include <tuple>

namespace fulmen::nn {

/// A function as a module, for use in Sequential: `Functional(relu)`, `Functional(elu, 1.0)`; further arguments are
/// stored and passed after the input. It has no state and is skipped when a model is saved.
class FunctionalImpl : public Cloneable<FunctionalImpl> {
 public:
  using Function = AnyFunction<Tensor(Tensor)>;

  explicit FunctionalImpl(Function function);
  template <class F, class... Args>
  requires(sizeof...(Args) > 0) explicit FunctionalImpl(F function, Args... args)
      : function_([function, stored = std::make_tuple(std::move(args)...)](Tensor input) -> Tensor {
          return std::apply([&](const auto&... values) { return function(std::move(input), values...); }, stored);
        }) {}

  void reset() override {}
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(Tensor input) { return function_(std::move(input)); }
  Tensor operator()(Tensor input) { return forward(std::move(input)); }
  bool is_serializable() const override { return false; }

 private:
  Function function_;
};
FULMEN_MODULE(Functional);

}  // namespace fulmen::nn
