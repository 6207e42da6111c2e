#pragma once
#include <fulmen/nn/rnn.h>

// One step of a recurrent layer: input [N, input_size] or [input_size], state [N, hidden_size] or [hidden_size].
namespace fulmen::nn {

struct RNNCellOptions {
  RNNCellOptions(int64_t input_size, int64_t hidden_size) : input_size_(input_size), hidden_size_(hidden_size) {}
  FULMEN_ARG(int64_t, input_size);
  FULMEN_ARG(int64_t, hidden_size);
  FULMEN_ARG(bool, bias) = true;
  FULMEN_ARG(RNNNonlinearity, nonlinearity) = kTanh;
};
struct LSTMCellOptions {
  LSTMCellOptions(int64_t input_size, int64_t hidden_size) : input_size_(input_size), hidden_size_(hidden_size) {}
  FULMEN_ARG(int64_t, input_size);
  FULMEN_ARG(int64_t, hidden_size);
  FULMEN_ARG(bool, bias) = true;
};
struct GRUCellOptions {
  GRUCellOptions(int64_t input_size, int64_t hidden_size) : input_size_(input_size), hidden_size_(hidden_size) {}
  FULMEN_ARG(int64_t, input_size);
  FULMEN_ARG(int64_t, hidden_size);
  FULMEN_ARG(bool, bias) = true;
};

namespace detail {

struct RNNCellOptionsBase {
  RNNCellOptionsBase(int64_t input_size, int64_t hidden_size, bool bias, int64_t num_chunks)
      : input_size_(input_size), hidden_size_(hidden_size), bias_(bias), num_chunks_(num_chunks) {}
  FULMEN_ARG(int64_t, input_size);
  FULMEN_ARG(int64_t, hidden_size);
  FULMEN_ARG(bool, bias);
  /// Gates.
  FULMEN_ARG(int64_t, num_chunks);
};

template <class Derived>
class RNNCellImplBase : public Cloneable<Derived> {
 public:
  explicit RNNCellImplBase(const RNNCellOptionsBase& options_base_);
  void reset() override;
  void reset_parameters();
  void pretty_print(std::ostream& stream) const override;

  RNNCellOptionsBase options_base;
  Tensor weight_ih, weight_hh, bias_ih, bias_hh;

 protected:
  virtual const char* cell_name() const = 0;
  /// Zeros where there is no state.
  RNNStates step(RNNOptionsBase::Mode mode, const Tensor& input, const RNNStates& states) const;
};

}  // namespace detail

class RNNCellImpl;
class LSTMCellImpl;
class GRUCellImpl;
extern template class detail::RNNCellImplBase<RNNCellImpl>;
extern template class detail::RNNCellImplBase<LSTMCellImpl>;
extern template class detail::RNNCellImplBase<GRUCellImpl>;

class RNNCellImpl : public detail::RNNCellImplBase<RNNCellImpl> {
 public:
  RNNCellImpl(int64_t input_size, int64_t hidden_size) : RNNCellImpl(RNNCellOptions(input_size, hidden_size)) {}
  explicit RNNCellImpl(const RNNCellOptions& options_);
  Tensor forward(const Tensor& input, Tensor hx = {});
  FULMEN_FORWARD_HAS_DEFAULT_ARGS({1, AnyValue(Tensor())})
  RNNCellOptions options;

 protected:
  const char* cell_name() const override { return "RNNCell"; }
};
FULMEN_MODULE(RNNCell);

class LSTMCellImpl : public detail::RNNCellImplBase<LSTMCellImpl> {
 public:
  LSTMCellImpl(int64_t input_size, int64_t hidden_size) : LSTMCellImpl(LSTMCellOptions(input_size, hidden_size)) {}
  explicit LSTMCellImpl(const LSTMCellOptions& options_);
  /// The new (h, c).
  std::tuple<Tensor, Tensor> forward(const Tensor& input, std::optional<std::tuple<Tensor, Tensor>> hx_opt = {});
  FULMEN_FORWARD_HAS_DEFAULT_ARGS({1, AnyValue(std::optional<std::tuple<Tensor, Tensor>>())})
  LSTMCellOptions options;

 protected:
  const char* cell_name() const override { return "LSTMCell"; }
};
FULMEN_MODULE(LSTMCell);

class GRUCellImpl : public detail::RNNCellImplBase<GRUCellImpl> {
 public:
  GRUCellImpl(int64_t input_size, int64_t hidden_size) : GRUCellImpl(GRUCellOptions(input_size, hidden_size)) {}
  explicit GRUCellImpl(const GRUCellOptions& options_);
  Tensor forward(const Tensor& input, Tensor hx = {});
  FULMEN_FORWARD_HAS_DEFAULT_ARGS({1, AnyValue(Tensor())})
  GRUCellOptions options;

 protected:
  const char* cell_name() const override { return "GRUCell"; }
};
FULMEN_MODULE(GRUCell);

}  // namespace fulmen::nn
