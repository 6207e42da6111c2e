#pragma once
#include <fulmen/nn/any_module.h>
#include <fulmen/nn/cloneable.h>
#include <fulmen/nn/options.h>
#include <fulmen/nn/utils/rnn.h>

#include <tuple>

// Recurrent layers. Sequences are [T, N, input_size], [N, T, input_size] with batch_first, or [T, input_size]; states
// [num_layers * directions, N, hidden_size]. Parameters are PyTorch's: weight_ih_l0, weight_hh_l0, bias_ih_l0,
// bias_hh_l0, weight_hr_l0 (projection), with "_reverse" behind those of the other direction, all uniform within
// ±1/sqrt(hidden_size).
namespace fulmen::nn {

using RNNNonlinearity = OneOf<enumtype::kTanh, enumtype::kReLU>;

struct RNNOptions {
  RNNOptions(int64_t input_size, int64_t hidden_size) : input_size_(input_size), hidden_size_(hidden_size) {}
  FULMEN_ARG(int64_t, input_size);
  FULMEN_ARG(int64_t, hidden_size);
  FULMEN_ARG(int64_t, num_layers) = 1;
  FULMEN_ARG(RNNNonlinearity, nonlinearity) = kTanh;
  FULMEN_ARG(bool, bias) = true;
  FULMEN_ARG(bool, batch_first) = false;
  /// Of the outputs of all layers but the last.
  FULMEN_ARG(double, dropout) = 0.0;
  FULMEN_ARG(bool, bidirectional) = false;
};
struct LSTMOptions {
  LSTMOptions(int64_t input_size, int64_t hidden_size) : input_size_(input_size), hidden_size_(hidden_size) {}
  FULMEN_ARG(int64_t, input_size);
  FULMEN_ARG(int64_t, hidden_size);
  FULMEN_ARG(int64_t, num_layers) = 1;
  FULMEN_ARG(bool, bias) = true;
  FULMEN_ARG(bool, batch_first) = false;
  FULMEN_ARG(double, dropout) = 0.0;
  FULMEN_ARG(bool, bidirectional) = false;
  /// Outputs and h are projected to this many features, if it is not 0.
  FULMEN_ARG(int64_t, proj_size) = 0;
};
struct GRUOptions {
  GRUOptions(int64_t input_size, int64_t hidden_size) : input_size_(input_size), hidden_size_(hidden_size) {}
  FULMEN_ARG(int64_t, input_size);
  FULMEN_ARG(int64_t, hidden_size);
  FULMEN_ARG(int64_t, num_layers) = 1;
  FULMEN_ARG(bool, bias) = true;
  FULMEN_ARG(bool, batch_first) = false;
  FULMEN_ARG(double, dropout) = 0.0;
  FULMEN_ARG(bool, bidirectional) = false;
};

namespace detail {

/// What the layers share; `mode` tells them apart.
struct RNNOptionsBase {
  using Mode = OneOf<enumtype::kLSTM, enumtype::kGRU, enumtype::kRNN_TANH, enumtype::kRNN_RELU>;
  RNNOptionsBase(Mode mode, int64_t input_size, int64_t hidden_size)
      : mode_(mode), input_size_(input_size), hidden_size_(hidden_size) {}
  FULMEN_ARG(Mode, mode);
  FULMEN_ARG(int64_t, input_size);
  FULMEN_ARG(int64_t, hidden_size);
  FULMEN_ARG(int64_t, num_layers) = 1;
  FULMEN_ARG(bool, bias) = true;
  FULMEN_ARG(bool, batch_first) = false;
  FULMEN_ARG(double, dropout) = 0.0;
  FULMEN_ARG(bool, bidirectional) = false;
  FULMEN_ARG(int64_t, proj_size) = 0;
};

/// States [layers * directions, N, features]; c is the LSTM's.
struct RNNStates {
  Tensor h, c;
};

template <class Derived>
class RNNImplBase : public Cloneable<Derived> {
 public:
  explicit RNNImplBase(const RNNOptionsBase& options_base_);
  void reset() override;
  void reset_parameters();
  void pretty_print(std::ostream& stream) const override;
  /// The weights of each layer and direction one after the other.
  std::vector<Tensor> all_weights() const { return weights_; }
  /// Nothing to do: weights are used where they lie.
  void flatten_parameters() {}

  RNNOptionsBase options_base;

 protected:
  std::tuple<Tensor, RNNStates> run(const Tensor& input, const RNNStates& states) const;
  std::tuple<utils::rnn::PackedSequence, RNNStates> run(const utils::rnn::PackedSequence& input,
                                                        const RNNStates& states) const;

 private:
  std::vector<Tensor> weights_;
};

}  // namespace detail

class RNNImpl;
class LSTMImpl;
class GRUImpl;
extern template class detail::RNNImplBase<RNNImpl>;
extern template class detail::RNNImplBase<LSTMImpl>;
extern template class detail::RNNImplBase<GRUImpl>;

/// h = tanh(W_ih x + b_ih + W_hh h' + b_hh), or relu of it (Elman 1990).
class RNNImpl : public detail::RNNImplBase<RNNImpl> {
 public:
  RNNImpl(int64_t input_size, int64_t hidden_size) : RNNImpl(RNNOptions(input_size, hidden_size)) {}
  explicit RNNImpl(const RNNOptions& options_);
  /// The outputs of the last layer, and the last state of every layer.
  std::tuple<Tensor, Tensor> forward(const Tensor& input, Tensor hx = {});
  std::tuple<utils::rnn::PackedSequence, Tensor> forward_with_packed_input(const utils::rnn::PackedSequence& input,
                                                                           Tensor hx = {});
  FULMEN_FORWARD_HAS_DEFAULT_ARGS({1, AnyValue(Tensor())})
  RNNOptions options;
};
FULMEN_MODULE(RNN);

/// Hochreiter and Schmidhuber 1997, "Long Short-Term Memory"; gates in the order i, f, g, o.
class LSTMImpl : public detail::RNNImplBase<LSTMImpl> {
 public:
  LSTMImpl(int64_t input_size, int64_t hidden_size) : LSTMImpl(LSTMOptions(input_size, hidden_size)) {}
  explicit LSTMImpl(const LSTMOptions& options_);
  /// The outputs of the last layer, and the last (h, c) of every layer.
  std::tuple<Tensor, std::tuple<Tensor, Tensor>> forward(const Tensor& input,
                                                         std::optional<std::tuple<Tensor, Tensor>> hx_opt = {});
  std::tuple<utils::rnn::PackedSequence, std::tuple<Tensor, Tensor>> forward_with_packed_input(
      const utils::rnn::PackedSequence& input, std::optional<std::tuple<Tensor, Tensor>> hx_opt = {});
  FULMEN_FORWARD_HAS_DEFAULT_ARGS({1, AnyValue(std::optional<std::tuple<Tensor, Tensor>>())})
  LSTMOptions options;
};
FULMEN_MODULE(LSTM);

/// Cho et al. 2014, "Learning Phrase Representations"; gates in the order r, z, n.
class GRUImpl : public detail::RNNImplBase<GRUImpl> {
 public:
  GRUImpl(int64_t input_size, int64_t hidden_size) : GRUImpl(GRUOptions(input_size, hidden_size)) {}
  explicit GRUImpl(const GRUOptions& options_);
  std::tuple<Tensor, Tensor> forward(const Tensor& input, Tensor hx = {});
  std::tuple<utils::rnn::PackedSequence, Tensor> forward_with_packed_input(const utils::rnn::PackedSequence& input,
                                                                           Tensor hx = {});
  FULMEN_FORWARD_HAS_DEFAULT_ARGS({1, AnyValue(Tensor())})
  GRUOptions options;
};
FULMEN_MODULE(GRU);

}  // namespace fulmen::nn
