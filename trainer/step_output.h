#pragma once
#include <fulmen/data/dict.h>

#include <concepts>
#include <type_traits>

namespace fulmen::trainer {

/// Returned by a training step that wants its batch left out: no backward, no optimizer step.
struct Skip {};
inline constexpr Skip skip{};

/// What a step returns: the loss (a Tensor), a Dict that holds "loss", `skip`, or nothing (`return {}`, for validation
/// and test steps; in a training step the same as `skip`).
class StepOutput {
 public:
  StepOutput() = default;
  StepOutput(Tensor loss) : loss_(std::move(loss)) {}
  /// The loss is the entry "loss"; the rest goes to the hooks at the end of the batch.
  StepOutput(Dict outputs) : outputs_(std::move(outputs)) {
    if (const Tensor* loss = outputs_.find("loss")) loss_ = *loss;
  }
  StepOutput(Skip) {}
  template <class T>
  requires(!std::same_as<std::remove_cvref_t<T>, StepOutput> && !std::convertible_to<T, Tensor> &&
           !std::convertible_to<T, Dict> && !std::same_as<std::remove_cvref_t<T>, Skip>) StepOutput(T&&) {
    static_assert(sizeof(T) == 0, "a step returns its loss as a Tensor, a Dict that holds 'loss', or `skip`");
  }

  /// The tensor to minimise; undefined for `skip`, for nothing, and for a Dict without "loss".
  const Tensor& loss() const { return loss_; }
  const Dict& outputs() const { return outputs_; }
  bool is_skip() const { return !loss_.defined() && outputs_.empty(); }
  void replace_loss(Tensor loss) { loss_ = std::move(loss); }
  /// Keeps the values and lets go of the graph behind them.
  void detach();

 private:
  Tensor loss_;
  Dict outputs_;
};

}  // namespace fulmen::trainer
