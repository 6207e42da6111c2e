#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/matmul.h>
#include <fulmen/autograd/ops/recurrent.h>
#include <fulmen/autograd/ops/views.h>
#include <fulmen/nn/init.h>
#include <fulmen/nn/print.h>
#include <fulmen/nn/rnn_cell.h>

#include <cmath>

namespace fulmen::nn {

namespace detail {

template <class Derived>
RNNCellImplBase<Derived>::RNNCellImplBase(const RNNCellOptionsBase& options_base_) : options_base(options_base_) {
  RNNCellImplBase::reset();
}

template <class Derived>
void RNNCellImplBase<Derived>::reset() {
  const RNNCellOptionsBase& o = options_base;
  FULMEN_CHECK(o.hidden_size() > 0 && o.input_size() >= 0, "a recurrent cell needs a positive hidden_size, got ",
               o.hidden_size());
  const int64_t rows = o.num_chunks() * o.hidden_size();
  weight_ih = this->register_parameter("weight_ih", empty({rows, o.input_size()}));
  weight_hh = this->register_parameter("weight_hh", empty({rows, o.hidden_size()}));
  bias_ih = this->register_parameter("bias_ih", o.bias() ? empty({rows}) : Tensor(), o.bias());
  bias_hh = this->register_parameter("bias_hh", o.bias() ? empty({rows}) : Tensor(), o.bias());
  reset_parameters();
}

template <class Derived>
void RNNCellImplBase<Derived>::reset_parameters() {
  const double bound = 1 / std::sqrt(static_cast<double>(options_base.hidden_size()));
  for (const Tensor& weight : {weight_ih, weight_hh, bias_ih, bias_hh}) {
    if (weight.defined()) init::uniform_(weight, -bound, bound);
  }
}

template <class Derived>
void RNNCellImplBase<Derived>::pretty_print(std::ostream& stream) const {
  Printed printed(stream, cell_name());
  printed.arg(options_base.input_size()).arg(options_base.hidden_size());
  printed.arg_unless("bias", options_base.bias(), true);
  if constexpr (requires(const Derived& d) { d.options.nonlinearity(); }) {
    const RNNNonlinearity nonlinearity = static_cast<const Derived&>(*this).options.nonlinearity();
    if (nonlinearity.template is<enumtype::kReLU>()) printed.arg("nonlinearity", "kReLU");
  }
}

template <class Derived>
RNNStates RNNCellImplBase<Derived>::step(RNNOptionsBase::Mode mode, const Tensor& input,
                                         const RNNStates& states) const {
  const char* name = cell_name();
  if (input.dim() == 1) {
    auto batched = [](const Tensor& t) { return t.defined() ? t.unsqueeze(0) : t; };
    const RNNStates next = step(mode, input.unsqueeze(0), {batched(states.h), batched(states.c)});
    return {next.h.squeeze(0), next.c.defined() ? next.c.squeeze(0) : next.c};
  }
  FULMEN_CHECK(input.dim() == 2, name, ": Expected input to be 1D or 2D, got ", input);
  FULMEN_CHECK(input.size(1) == options_base.input_size(), "input has inconsistent input_size: got ", input.size(1),
               " expected ", options_base.input_size());
  const int64_t sequences = input.size(0), hidden = options_base.hidden_size();
  auto state = [&](const Tensor& t, const char* what) {
    if (!t.defined()) return zeros({sequences, hidden}, input.options().requires_grad(false));
    FULMEN_CHECK(t.dim() == 2 && t.size(0) == sequences, "Input batch size ", sequences, " doesn't match hidden", what,
                 " batch size ", t.size(0));
    FULMEN_CHECK(t.size(1) == hidden, "hidden", what, " has inconsistent hidden_size: got ", t.size(1), ", expected ",
                 hidden);
    return t;
  };
  const bool lstm = mode.is<enumtype::kLSTM>(), gru = mode.is<enumtype::kGRU>();
  const Tensor h0 = state(states.h, lstm ? "[0]" : ""), c0 = lstm ? state(states.c, "[1]") : Tensor();
  if (sequences == 0) return {h0, c0};
  const CellKind kind = lstm                             ? CellKind::lstm
                        : gru                            ? CellKind::gru
                        : mode.is<enumtype::kRNN_RELU>() ? CellKind::rnn_relu
                                                         : CellKind::rnn_tanh;
  const Tensor bias = bias_ih.defined() && !gru ? bias_ih + bias_hh : bias_ih;
  auto [h, c] = recurrent_layer({kind, false, {sequences}}, linear(input, weight_ih, bias), h0, c0, weight_hh,
                                gru ? bias_hh : Tensor());
  return {h, c};
}

}  // namespace detail

template class detail::RNNCellImplBase<RNNCellImpl>;
template class detail::RNNCellImplBase<LSTMCellImpl>;
template class detail::RNNCellImplBase<GRUCellImpl>;

RNNCellImpl::RNNCellImpl(const RNNCellOptions& options_)
    : RNNCellImplBase(detail::RNNCellOptionsBase(options_.input_size(), options_.hidden_size(), options_.bias(), 1)),
      options(options_) {}
Tensor RNNCellImpl::forward(const Tensor& input, Tensor hx) {
  using Mode = detail::RNNOptionsBase::Mode;
  return step(options.nonlinearity().is<enumtype::kReLU>() ? Mode(kRNN_RELU) : Mode(kRNN_TANH), input,
              {std::move(hx), Tensor()})
      .h;
}

LSTMCellImpl::LSTMCellImpl(const LSTMCellOptions& options_)
    : RNNCellImplBase(detail::RNNCellOptionsBase(options_.input_size(), options_.hidden_size(), options_.bias(), 4)),
      options(options_) {}
std::tuple<Tensor, Tensor> LSTMCellImpl::forward(const Tensor& input,
                                                 std::optional<std::tuple<Tensor, Tensor>> hx_opt) {
  detail::RNNStates states;
  if (hx_opt) states = {std::get<0>(*hx_opt), std::get<1>(*hx_opt)};
  const detail::RNNStates next = step(kLSTM, input, states);
  return {next.h, next.c};
}

GRUCellImpl::GRUCellImpl(const GRUCellOptions& options_)
    : RNNCellImplBase(detail::RNNCellOptionsBase(options_.input_size(), options_.hidden_size(), options_.bias(), 3)),
      options(options_) {}
Tensor GRUCellImpl::forward(const Tensor& input, Tensor hx) { return step(kGRU, input, {std::move(hx), Tensor()}).h; }

}  // namespace fulmen::nn
