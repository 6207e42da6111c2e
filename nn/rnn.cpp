#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/dropout.h>
#include <fulmen/autograd/ops/gather.h>
#include <fulmen/autograd/ops/join.h>
#include <fulmen/autograd/ops/matmul.h>
#include <fulmen/autograd/ops/recurrent.h>
#include <fulmen/autograd/ops/views.h>
#include <fulmen/nn/init.h>
#include <fulmen/nn/print.h>
#include <fulmen/nn/rnn.h>
#include <fulmen/tensor/warning.h>

#include <cmath>

namespace fulmen::nn {

namespace {

using detail::RNNOptionsBase;
using detail::RNNStates;
using utils::rnn::PackedSequence;

CellKind kind_of(const RNNOptionsBase& o) {
  if (o.mode().is<enumtype::kLSTM>()) return CellKind::lstm;
  if (o.mode().is<enumtype::kGRU>()) return CellKind::gru;
  return o.mode().is<enumtype::kRNN_RELU>() ? CellKind::rnn_relu : CellKind::rnn_tanh;
}
const char* name_of(const RNNOptionsBase& o) {
  const CellKind kind = kind_of(o);
  return kind == CellKind::lstm ? "LSTM" : kind == CellKind::gru ? "GRU" : "RNN";
}
int64_t gates_of(const RNNOptionsBase& o) {
  const CellKind kind = kind_of(o);
  return kind == CellKind::lstm ? 4 : kind == CellKind::gru ? 3 : 1;
}
int64_t directions_of(const RNNOptionsBase& o) { return o.bidirectional() ? 2 : 1; }
/// Features of h.
int64_t width_of(const RNNOptionsBase& o) { return o.proj_size() > 0 ? o.proj_size() : o.hidden_size(); }

/// The parameters of one layer and direction.
struct Weights {
  Tensor ih, hh, bias_ih, bias_hh, projection;
  Weights(const RNNOptionsBase& o, const std::vector<Tensor>& all, int64_t number) {
    const size_t count = 2 + (o.bias() ? 2u : 0u) + (o.proj_size() > 0 ? 1u : 0u);
    const Tensor* first = all.data() + static_cast<size_t>(number) * count;
    ih = first[0];
    hh = first[1];
    if (o.bias()) bias_ih = first[2], bias_hh = first[3];
    if (o.proj_size() > 0) projection = first[count - 1];
  }
};

/// The state of each sequence after its last step in the layer's order.
Tensor last_states(const Tensor& states, const std::vector<int64_t>& sizes, bool reverse) {
  if (reverse) return states.narrow(0, 0, sizes[0]);
  std::vector<Tensor> pieces;
  int64_t first = states.size(0), done = 0;
  for (size_t t = sizes.size(); t-- > 0;) {
    first -= sizes[t];
    if (sizes[t] > done) pieces.push_back(states.narrow(0, first + done, sizes[t] - done));
    done = sizes[t];
  }
  return pieces.size() == 1 ? pieces[0] : cat(pieces);
}

/// All layers over rows x of sequences whose numbers per step are `sizes`: outputs, and the last states.
std::tuple<Tensor, RNNStates> run_layers(const RNNOptionsBase& o, const std::vector<Tensor>& weights, bool training,
                                         Tensor x, const std::vector<int64_t>& sizes, const RNNStates& states) {
  const int64_t directions = directions_of(o);
  const bool lstm = kind_of(o) == CellKind::lstm, gru = kind_of(o) == CellKind::gru;
  std::vector<Tensor> last_h, last_c;
  for (int64_t layer = 0; layer < o.num_layers(); ++layer) {
    std::vector<Tensor> outputs;
    for (int64_t d = 0; d < directions; ++d) {
      const int64_t number = layer * directions + d;
      const Weights w(o, weights, number);
      // Only the GRU needs the hidden side's bias apart.
      const Tensor bias = !o.bias() || gru ? w.bias_ih : w.bias_ih + w.bias_hh;
      auto [h, c] =
          recurrent_layer({kind_of(o), d == 1, sizes}, linear(x, w.ih, bias), states.h.select(0, number),
                          lstm ? states.c.select(0, number) : Tensor(), w.hh, gru ? w.bias_hh : Tensor(), w.projection);
      last_h.push_back(last_states(h, sizes, d == 1));
      if (lstm) last_c.push_back(last_states(c, sizes, d == 1));
      outputs.push_back(h);
    }
    x = directions == 1 ? outputs[0] : cat(outputs, 1);
    if (layer + 1 < o.num_layers()) x = dropout(x, o.dropout(), training);
  }
  return {x, {stack(last_h), lstm ? stack(last_c) : Tensor()}};
}

/// The given states, checked, or zeros.
RNNStates first_states(const RNNOptionsBase& o, const Tensor& input, int64_t sequences, const RNNStates& given) {
  const int64_t layers = o.num_layers() * directions_of(o);
  auto state = [&](const Tensor& t, int64_t features, const char* what) {
    if (!t.defined()) return zeros({layers, sequences, features}, input.options().requires_grad(false));
    FULMEN_CHECK(t.sizes() == IntArrayRef({layers, sequences, features}), name_of(o), ": Expected ", what, " size ",
                 IntArrayRef({layers, sequences, features}), ", got ", t.sizes());
    return t;
  };
  if (kind_of(o) != CellKind::lstm) return {state(given.h, o.hidden_size(), "hidden"), Tensor()};
  return {state(given.h, width_of(o), "hidden[0]"), state(given.c, o.hidden_size(), "hidden[1]")};
}

void check_features(const RNNOptionsBase& o, const Tensor& input) {
  FULMEN_CHECK(input.size(-1) == o.input_size(), name_of(o), ": input.size(-1) must be equal to input_size. Expected ",
               o.input_size(), ", got ", input.size(-1), ": ", input);
}

}  // namespace

namespace detail {

template <class Derived>
RNNImplBase<Derived>::RNNImplBase(const RNNOptionsBase& options_base_) : options_base(options_base_) {
  RNNImplBase::reset();
}

template <class Derived>
void RNNImplBase<Derived>::reset() {
  const RNNOptionsBase& o = options_base;
  FULMEN_CHECK(o.dropout() >= 0 && o.dropout() <= 1, name_of(o),
               ": dropout should be a number in range [0, 1] representing the probability of an element being zeroed");
  FULMEN_CHECK(o.hidden_size() > 0 && o.num_layers() > 0 && o.input_size() >= 0, name_of(o),
               ": hidden_size and num_layers must be positive, got ", o.hidden_size(), " and ", o.num_layers());
  FULMEN_CHECK(o.proj_size() >= 0 && o.proj_size() < o.hidden_size(), name_of(o),
               ": proj_size has to be a positive integer, smaller than hidden_size, or zero to disable projections");
  if (o.dropout() > 0 && o.num_layers() == 1) {
    warn(
        str("dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers "
            "greater than 1, but got dropout=",
            o.dropout(), " and num_layers=", o.num_layers()));
  }
  weights_.clear();
  const int64_t rows = gates_of(o) * o.hidden_size(), directions = directions_of(o);
  for (int64_t layer = 0; layer < o.num_layers(); ++layer) {
    for (int64_t d = 0; d < directions; ++d) {
      const std::string end = str("_l", layer, d == 1 ? "_reverse" : "");
      auto add = [&](const char* what, IntArrayRef sizes) {
        weights_.push_back(this->register_parameter(what + end, empty(sizes)));
      };
      add("weight_ih", {rows, layer == 0 ? o.input_size() : directions * width_of(o)});
      add("weight_hh", {rows, width_of(o)});
      if (o.bias()) {
        add("bias_ih", {rows});
        add("bias_hh", {rows});
      }
      if (o.proj_size() > 0) add("weight_hr", {o.proj_size(), o.hidden_size()});
    }
  }
  reset_parameters();
}

template <class Derived>
void RNNImplBase<Derived>::reset_parameters() {
  const double bound = 1 / std::sqrt(static_cast<double>(options_base.hidden_size()));
  for (const Tensor& weight : weights_) init::uniform_(weight, -bound, bound);
}

template <class Derived>
void RNNImplBase<Derived>::pretty_print(std::ostream& stream) const {
  const RNNOptionsBase& o = options_base;
  Printed printed(stream, name_of(o));
  printed.arg("input_size", o.input_size()).arg("hidden_size", o.hidden_size());
  printed.arg_unless("num_layers", o.num_layers(), int64_t{1}).arg_unless("bias", o.bias(), true);
  printed.arg_unless("batch_first", o.batch_first(), false).arg_unless("dropout", o.dropout(), 0.0);
  printed.arg_unless("bidirectional", o.bidirectional(), false).arg_unless("proj_size", o.proj_size(), int64_t{0});
}

template <class Derived>
std::tuple<Tensor, RNNStates> RNNImplBase<Derived>::run(const Tensor& input, const RNNStates& states) const {
  const RNNOptionsBase& o = options_base;
  if (input.dim() == 2) {
    auto batched = [](const Tensor& t) { return t.defined() ? t.unsqueeze(1) : t; };
    const int64_t batch = o.batch_first() ? 0 : 1;
    auto [y, last] = run(input.unsqueeze(batch), {batched(states.h), batched(states.c)});
    return {y.squeeze(batch), {last.h.squeeze(1), last.c.defined() ? last.c.squeeze(1) : last.c}};
  }
  FULMEN_CHECK(input.dim() == 3, name_of(o), ": Expected input to be 2D or 3D, got ", input);
  check_features(o, input);
  const Tensor steps = o.batch_first() ? input.transpose(0, 1) : input;
  const int64_t time = steps.size(0), sequences = steps.size(1);
  FULMEN_CHECK(time > 0, name_of(o), ": Expected sequence length to be larger than 0, got ", input);
  const RNNStates first = first_states(o, input, sequences, states);
  if (sequences == 0) {
    const Tensor none = zeros({time, 0, directions_of(o) * width_of(o)}, input.options().requires_grad(false));
    return {o.batch_first() ? none.transpose(0, 1) : none, first};
  }
  auto [y, last] = run_layers(o, weights_, this->is_training(), steps.reshape({time * sequences, o.input_size()}),
                              std::vector<int64_t>(static_cast<size_t>(time), sequences), first);
  y = y.view({time, sequences, y.size(1)});
  return {o.batch_first() ? y.transpose(0, 1) : y, last};
}

template <class Derived>
std::tuple<PackedSequence, RNNStates> RNNImplBase<Derived>::run(const PackedSequence& input,
                                                                const RNNStates& states) const {
  const RNNOptionsBase& o = options_base;
  check_features(o, input.data());
  const Tensor counts = input.batch_sizes().contiguous();
  const std::vector<int64_t> sizes(counts.data_ptr<int64_t>(), counts.data_ptr<int64_t>() + counts.numel());
  FULMEN_CHECK(!sizes.empty(), name_of(o), ": the packed sequence has no steps");
  auto ordered = [](const Tensor& t, const Tensor& order) {
    return t.defined() && order.defined() ? t.index_select(1, order) : t;
  };
  const RNNStates sorted{ordered(states.h, input.sorted_indices()), ordered(states.c, input.sorted_indices())};
  auto [y, last] = run_layers(o, weights_, this->is_training(), input.data(), sizes,
                              first_states(o, input.data(), sizes[0], sorted));
  return {PackedSequence(y, input.batch_sizes(), input.sorted_indices(), input.unsorted_indices()),
          {ordered(last.h, input.unsorted_indices()), ordered(last.c, input.unsorted_indices())}};
}

}  // namespace detail

template class detail::RNNImplBase<RNNImpl>;
template class detail::RNNImplBase<LSTMImpl>;
template class detail::RNNImplBase<GRUImpl>;

namespace {

template <class Options>
RNNOptionsBase base_of(RNNOptionsBase::Mode mode, const Options& o) {
  RNNOptionsBase base(mode, o.input_size(), o.hidden_size());
  base.num_layers(o.num_layers()).bias(o.bias()).batch_first(o.batch_first()).dropout(o.dropout());
  return base.bidirectional(o.bidirectional());
}
RNNStates states_of(const std::optional<std::tuple<Tensor, Tensor>>& hx) {
  return hx ? RNNStates{std::get<0>(*hx), std::get<1>(*hx)} : RNNStates{};
}

}  // namespace

RNNImpl::RNNImpl(const RNNOptions& options_)
    : RNNImplBase(base_of(options_.nonlinearity().is<enumtype::kReLU>() ? RNNOptionsBase::Mode(kRNN_RELU)
                                                                        : RNNOptionsBase::Mode(kRNN_TANH),
                          options_)),
      options(options_) {}
std::tuple<Tensor, Tensor> RNNImpl::forward(const Tensor& input, Tensor hx) {
  auto [y, last] = run(input, RNNStates{std::move(hx), Tensor()});
  return {y, last.h};
}
std::tuple<PackedSequence, Tensor> RNNImpl::forward_with_packed_input(const PackedSequence& input, Tensor hx) {
  auto [y, last] = run(input, RNNStates{std::move(hx), Tensor()});
  return {y, last.h};
}

LSTMImpl::LSTMImpl(const LSTMOptions& options_)
    : RNNImplBase(base_of(kLSTM, options_).proj_size(options_.proj_size())), options(options_) {}
std::tuple<Tensor, std::tuple<Tensor, Tensor>> LSTMImpl::forward(const Tensor& input,
                                                                 std::optional<std::tuple<Tensor, Tensor>> hx_opt) {
  auto [y, last] = run(input, states_of(hx_opt));
  return {y, {last.h, last.c}};
}
std::tuple<PackedSequence, std::tuple<Tensor, Tensor>> LSTMImpl::forward_with_packed_input(
    const PackedSequence& input, std::optional<std::tuple<Tensor, Tensor>> hx_opt) {
  auto [y, last] = run(input, states_of(hx_opt));
  return {y, {last.h, last.c}};
}

GRUImpl::GRUImpl(const GRUOptions& options_) : RNNImplBase(base_of(kGRU, options_)), options(options_) {}
std::tuple<Tensor, Tensor> GRUImpl::forward(const Tensor& input, Tensor hx) {
  auto [y, last] = run(input, RNNStates{std::move(hx), Tensor()});
  return {y, last.h};
}
std::tuple<PackedSequence, Tensor> GRUImpl::forward_with_packed_input(const PackedSequence& input, Tensor hx) {
  auto [y, last] = run(input, RNNStates{std::move(hx), Tensor()});
  return {y, last.h};
}

}  // namespace fulmen::nn
