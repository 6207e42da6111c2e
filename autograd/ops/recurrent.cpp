#include <fulmen/autograd/autocast.h>
#include <fulmen/autograd/engine.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/copy.h>
#include <fulmen/autograd/ops/join.h>
#include <fulmen/autograd/ops/matmul.h>
#include <fulmen/autograd/ops/recurrent.h>
#include <fulmen/autograd/ops/reduction.h>
#include <fulmen/autograd/ops/unary.h>
#include <fulmen/autograd/ops/views.h>
#include <fulmen/kernels/recurrent.h>

namespace fulmen {

using namespace autograd;

namespace {

using cell::Step;
using cell::StepWalk;

int64_t gates_of(CellKind kind) { return kind == CellKind::lstm ? 4 : kind == CellKind::gru ? 3 : 1; }
/// Numbers per hidden unit that the backward pass needs, and that it gives.
int64_t kept_of(CellKind kind) { return kind == CellKind::lstm || kind == CellKind::gru ? 4 : 0; }
int64_t slopes_of(CellKind kind) { return kind == CellKind::lstm || kind == CellKind::gru ? 4 : 1; }

RecurrentSteps steps_of(const RecurrentLayer& layer) {
  return {layer.cell, layer.reverse, static_cast<int64_t>(layer.sizes.size()), layer.sizes.data()};
}

/// The states before a step: rows of `all`, then of the first state.
Tensor states_before(const Step& step, const Tensor& all, const Tensor& first) {
  if (step.linked == 0) return first.narrow(0, 0, step.rows);
  const Tensor linked = all.narrow(0, step.before, step.linked);
  if (step.linked == step.rows) return linked;
  return cat({linked, first.narrow(0, step.linked, step.rows - step.linked)});
}
/// Those of all steps, [rows, H].
Tensor all_states_before(const RecurrentLayer& layer, const Tensor& h, const Tensor& h0) {
  std::vector<Tensor> pieces;
  const RecurrentSteps steps = steps_of(layer);
  StepWalk walk(steps, layer.reverse);
  for (Step step; walk.next(step);) pieces.push_back(states_before(step, h, h0));
  return cat(pieces);
}

// --- step by step, of ordinary operations: for derivatives of derivatives, and for projections

struct Composed {
  const RecurrentLayer& layer;
  const Tensor &w, &b, &projection;

  /// h and c after a step.
  std::array<Tensor, 2> step(const Tensor& x, const Tensor& h, const Tensor& c) const {
    Tensor y = matmul(h, w.t());
    if (b.defined()) y = y + b;
    const int64_t hidden = w.size(0) / gates_of(layer.cell);
    auto part = [&](const Tensor& t, int64_t k) { return t.narrow(1, k * hidden, hidden); };
    if (layer.cell == CellKind::rnn_tanh) return {tanh(x + y), Tensor()};
    if (layer.cell == CellKind::rnn_relu) return {relu(x + y), Tensor()};
    if (layer.cell == CellKind::gru) {
      const Tensor r = sigmoid(part(x, 0) + part(y, 0)), z = sigmoid(part(x, 1) + part(y, 1));
      const Tensor n = tanh(part(x, 2) + r * part(y, 2));
      return {n + z * (h - n), Tensor()};
    }
    const Tensor s = x + y;
    const Tensor next = sigmoid(part(s, 1)) * c + sigmoid(part(s, 0)) * tanh(part(s, 2));
    const Tensor out = sigmoid(part(s, 3)) * tanh(next);
    return {projection.defined() ? matmul(out, projection.t()) : out, next};
  }

  std::array<Tensor, 2> run(const Tensor& x, const Tensor& h0, const Tensor& c0) const {
    const bool lstm = layer.cell == CellKind::lstm;
    const RecurrentSteps steps = steps_of(layer);
    std::vector<Tensor> h, c;
    auto before = [](const Step& at, const std::vector<Tensor>& made, const Tensor& first) {
      if (at.linked == 0) return first.narrow(0, 0, at.rows);
      if (at.linked == at.rows) return made.back().narrow(0, 0, at.rows);
      return cat({made.back().narrow(0, 0, at.linked), first.narrow(0, at.linked, at.rows - at.linked)});
    };
    StepWalk walk(steps, false);
    for (Step at; walk.next(at);) {
      auto made = step(x.narrow(0, at.first, at.rows), before(at, h, h0), lstm ? before(at, c, c0) : Tensor());
      h.push_back(made[0]);
      if (lstm) c.push_back(made[1]);
    }
    auto joined = [&](std::vector<Tensor>& list) {
      if (layer.reverse) {
        for (size_t i = 0, j = list.size(); i + 1 < j; ++i) std::swap(list[i], list[--j]);
      }
      return cat(list);
    };
    return {joined(h), lstm ? joined(c) : Tensor()};
  }
};

// --- the kernels

ConstView in_or_none(Forward& f, const Tensor& t) {
  if (t.defined()) return f.in(t);
  ConstView v{};
  v.data = nullptr;
  return v;
}
View out_or_none(Forward& f, const Tensor& t) {
  if (t.defined()) return f.out(t);
  View v{};
  v.data = nullptr;
  return v;
}
Tensor contiguous_or_none(const Tensor& t) { return t.defined() ? t.contiguous() : t; }

struct RecurrentBackward {
  static constexpr auto name = "recurrent_layer_backward";
  /// The layer's own rule is made of ordinary operations wherever a derivative of it may be asked for.
  static constexpr bool differentiable = false;
  RecurrentLayer layer;
  std::array<Output, 3> forward(Forward& f, const Input& h, const Input& c, const Input& kept, const Input& h0,
                                const Input& c0, const Input& w, const Input& gh, const Input& gc) const {
    const Tensor h0_rows = h0.contiguous(), c0_rows = contiguous_or_none(c0), weights = w.contiguous(),
                 gh_rows = contiguous_or_none(gh), gc_rows = contiguous_or_none(gc);
    std::array<Output, 3> g;
    g[0] = f.empty({h.size(0), slopes_of(layer.cell) * h.size(1)}, h.scalar_type(), h.device());
    g[1] = f.empty_like(h0);
    if (c0.defined()) g[2] = f.empty_like(c0);
    kernel::recurrent_backward(f.launch(h), f.out(g[0]), f.out(g[1]), out_or_none(f, g[2]), f.in(h), in_or_none(f, c),
                               in_or_none(f, kept), f.in(h0_rows), in_or_none(f, c0_rows), f.in(weights),
                               in_or_none(f, gh_rows), in_or_none(f, gc_rows), steps_of(layer));
    return g;
  }
};

// h, c = states after each step; see kernels/recurrent_cells.h
struct RecurrentOp {
  static constexpr auto name = "recurrent_layer";
  RecurrentLayer layer;
  std::array<Output, 3> forward(Forward& f, const Input& x, const Input& h0, const Input& c0, const Input& w,
                                const Input& b) const {
    const int64_t hidden = h0.size(1), kept = kept_of(layer.cell);
    const Tensor rows = x.contiguous(), h0_rows = h0.contiguous(), c0_rows = contiguous_or_none(c0),
                 weights = w.contiguous(), biases = contiguous_or_none(b);
    std::array<Output, 3> out;
    out[0] = f.empty({x.size(0), hidden}, x.scalar_type(), x.device());
    if (c0.defined()) out[1] = f.empty({x.size(0), hidden}, x.scalar_type(), x.device());
    if (kept > 0) {
      out[2] = f.empty({x.size(0), kept * hidden}, x.scalar_type(), x.device());
      f.mark_non_differentiable(out[2]);
    }
    kernel::recurrent(f.launch(x), f.out(out[0]), out_or_none(f, out[1]), out_or_none(f, out[2]), f.in(rows),
                      f.in(h0_rows), in_or_none(f, c0_rows), f.in(weights), in_or_none(f, biases), steps_of(layer));
    f.save(x, h0, c0, w, b, out[0], out[1], out[2]);
    return out;
  }
  Grads<5> backward(const Saved& s, ConstTensorSpan gy) const {
    if (!gy[0].defined() && !gy[1].defined()) return {};
    return GradMode::is_enabled() ? recorded(s, gy) : fused(s, gy);
  }

 private:
  Grads<5> recorded(const Saved& s, ConstTensorSpan gy) const {
    const Tensor w = s[3], b = s[4];
    auto out = Composed{layer, w, b, Tensor()}.run(s[0], s[1], s[2]);
    std::vector<Tensor> outputs, slopes, inputs;
    for (size_t i = 0; i < 2; ++i) {
      if (!gy[i].defined() || !out[i].defined()) continue;
      outputs.push_back(out[i]);
      slopes.push_back(gy[i]);
    }
    for (size_t i = 0; i < 5; ++i) {
      if (s.needs(i)) inputs.push_back(s[i]);
    }
    const std::vector<Tensor> found = grad(outputs, inputs, slopes, true, true, true);
    Grads<5> g;
    for (size_t i = 0, k = 0; i < 5; ++i) {
      if (s.needs(i)) g[i] = found[k++];
    }
    return g;
  }
  Grads<5> fused(const Saved& s, ConstTensorSpan gy) const {
    auto slopes = apply(RecurrentBackward{layer}, s[5], s[6], s[7], s[1], s[2], s[3], gy[0], gy[1]);
    const Tensor& g = slopes[0];
    const int64_t hidden = s[5].size(1);
    const bool gru = layer.cell == CellKind::gru;
    // What the hidden side's gates get; for the GRU's n that is in the fourth place.
    auto for_hidden = [&](auto of) {
      if (!gru) return of(g);
      return cat({of(g.narrow(1, 0, 2 * hidden)), of(g.narrow(1, 3 * hidden, hidden))});
    };
    Grads<5> grads;
    grads[0] = gru ? g.narrow(1, 0, 3 * hidden) : g;
    grads[1] = slopes[1];
    grads[2] = slopes[2];
    if (s.needs(3)) {
      const Tensor before = all_states_before(layer, s[5], s[1]);
      grads[3] = for_hidden([&](const Tensor& t) { return matmul(t.t(), before); });
    }
    if (s.needs(4)) grads[4] = for_hidden([](const Tensor& t) { return t.sum(IntArrayRef({0})); });
    return grads;
  }
};

void check(const RecurrentLayer& layer, const Tensor& x, const Tensor& h0, const Tensor& c0, const Tensor& w,
           const Tensor& projection) {
  int64_t rows = 0;
  for (size_t t = 0; t < layer.sizes.size(); ++t) {
    FULMEN_CHECK(layer.sizes[t] > 0 && (t == 0 || layer.sizes[t] <= layer.sizes[t - 1]),
                 "recurrent_layer: sizes must be positive and not grow, but step ", t, " has ", layer.sizes[t]);
    rows += layer.sizes[t];
  }
  FULMEN_CHECK(!layer.sizes.empty(), "recurrent_layer: there must be at least one step");
  FULMEN_CHECK(x.dim() == 2 && x.size(0) == rows, "recurrent_layer: x must be [", rows, ", gates], got ", x);
  FULMEN_CHECK(w.dim() == 2 && w.size(0) == x.size(1) && w.size(0) % gates_of(layer.cell) == 0,
               "recurrent_layer: w must be [", x.size(1), ", hidden], got ", w);
  const int64_t hidden = w.size(0) / gates_of(layer.cell), width = projection.defined() ? projection.size(0) : hidden;
  FULMEN_CHECK(w.size(1) == width && h0.dim() == 2 && h0.size(0) == layer.sizes[0] && h0.size(1) == width,
               "recurrent_layer: h0 must be [", layer.sizes[0], ", ", width, "], got ", h0, " for w ", w);
  const bool lstm = layer.cell == CellKind::lstm;
  FULMEN_CHECK(lstm == c0.defined() && (lstm || !projection.defined()),
               "recurrent_layer: an LSTM, and nothing else, has c0");
  FULMEN_CHECK(!lstm || (c0.dim() == 2 && c0.size(0) == layer.sizes[0] && c0.size(1) == hidden),
               "recurrent_layer: c0 must be [", layer.sizes[0], ", ", hidden, "], got ", c0);
  FULMEN_CHECK(x.is_floating_point() && x.scalar_type() == h0.scalar_type() && x.scalar_type() == w.scalar_type(),
               "recurrent_layer: all must be floating point, of one dtype: x ", x, ", h0 ", h0, ", w ", w);
}

}  // namespace

std::tuple<Tensor, Tensor> recurrent_layer(const RecurrentLayer& layer, const Tensor& x, const Tensor& h0,
                                           const Tensor& c0, const Tensor& w, const Tensor& b,
                                           const Tensor& projection) {
  if (autocast::applies(autocast::products, x)) {
    Tensor last;
    auto both = [&](const Tensor& x_, const Tensor& h0_, const Tensor& c0_, const Tensor& w_, const Tensor& b_,
                    const Tensor& projection_) {
      auto [h, c] = recurrent_layer(layer, x_, h0_, c0_, w_, b_, projection_);
      last = c;
      return h;
    };
    const Tensor h = autocast::recast(autocast::products, both, x, h0, c0, w, b, projection);
    return {h, last};
  }
  check(layer, x, h0, c0, w, projection);
  if (!x.is_cuda() && (x.scalar_type() == kHalf || x.scalar_type() == kBFloat16)) {  // computed in float32
    auto wide = [](const Tensor& t) { return t.defined() ? t.to(kFloat) : t; };
    auto [h, c] = recurrent_layer(layer, wide(x), wide(h0), wide(c0), wide(w), wide(b), wide(projection));
    return {h.to(x.scalar_type()), c.defined() ? c.to(x.scalar_type()) : c};
  }
  if (projection.defined()) {
    auto out = Composed{layer, w, b, projection}.run(x, h0, c0);
    return {out[0], out[1]};
  }
  auto out = apply(RecurrentOp{layer}, x, h0, c0, w, b);
  return {out[0], out[1]};
}

}  // namespace fulmen
