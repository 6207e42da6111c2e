#include <fulmen/autograd/engine.h>
#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/gradcheck.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/reduction.h>

#include <cmath>

namespace fulmen::autograd {

namespace {

/// Uniform in [-1, 1), from a stream of its own: checking must not disturb the program's random numbers.
struct Directions {
  uint64_t state = 0x9e3779b97f4a7c15ull;
  Tensor like(const Tensor& x) {
    Tensor v = empty(x.sizes(), TensorOptions(kDouble));
    double* data = v.data_ptr<double>();
    for (int64_t i = 0; i < v.numel(); ++i) {
      state = state * 6364136223846793005ull + 1442695040888963407ull;
      data[i] = static_cast<double>(state >> 11) * 0x1p-52 - 1.0;
    }
    return v.to(x.options().dtype(kDouble));
  }
};

double dot(const Tensor& a, const Tensor& b) { return a.to(kDouble).mul(b.to(kDouble)).sum().item<double>(); }

bool counts(const Tensor& t) { return t.defined() && t.is_floating_point(); }

variable_list values_at(const TensorFunction& f, variable_list inputs, size_t i, const Tensor& moved) {
  NoGradGuard no_grad;
  for (Tensor& t : inputs) {
    if (t.defined()) t = t.detach();
  }
  inputs[i] = moved;
  return f(inputs);
}

/// Gradients of <weights, outputs[o]>; zeros where an input has no influence.
variable_list analytical(const Tensor& output, const Tensor& weights, const variable_list& wanted) {
  variable_list gradients(wanted.size());
  if (output.requires_grad()) gradients = grad({output}, wanted, {weights}, true, false, true);
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (!gradients[i].defined()) gradients[i] = zeros(wanted[i].sizes(), wanted[i].options());
  }
  return gradients;
}

class Check {
 public:
  Check(const TensorFunction& f, const variable_list& inputs, const GradcheckOptions& options)
      : f_(f), inputs_(inputs), options_(options), outputs_(f(inputs)) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (counts(inputs[i]) && inputs[i].requires_grad()) wanted_.push_back(i);
    }
    for (size_t i : wanted_) leaves_.push_back(inputs[i]);
    FULMEN_CHECK(!wanted_.empty(),
                 "gradcheck expects at least one input tensor to require gradient, but none of the them "
                 "have requires_grad=True.");
  }

  void run() const {
    for (size_t o = 0; o < outputs_.size(); ++o) {
      if (!counts(outputs_[o]) || outputs_[o].numel() == 0) continue;
      options_.fast_mode ? along_directions(o) : whole_jacobian(o);
    }
  }

 private:
  // Central difference of output o along v in input i.
  Tensor difference(size_t o, size_t i, const Tensor& v) const {
    NoGradGuard no_grad;
    Tensor step = v.mul(options_.eps).to(inputs_[i].options());
    Tensor above = values_at(f_, inputs_, i, inputs_[i].detach().add(step))[o];
    Tensor below = values_at(f_, inputs_, i, inputs_[i].detach().sub(step))[o];
    return above.to(kDouble).sub(below.to(kDouble)).div(2 * options_.eps);
  }

  void compare(double analytical, double numerical, size_t o, size_t i, const char* what) const {
    bool fits = std::fabs(analytical - numerical) <= options_.atol + options_.rtol * std::fabs(numerical);
    FULMEN_CHECK(fits, "Jacobian mismatch for output ", o, " with respect to input ", i, ", ", what,
                 ": numerical: ", numerical, ", analytical: ", analytical);
  }

  void along_directions(size_t o) const {
    Directions directions;
    Tensor w = directions.like(outputs_[o]);
    variable_list gradients = analytical(outputs_[o], w.to(outputs_[o].options()), leaves_);
    for (size_t k = 0; k < wanted_.size(); ++k) {
      size_t i = wanted_[k];
      if (inputs_[i].numel() == 0) continue;
      Tensor v = directions.like(inputs_[i]);
      compare(dot(gradients[k], v), dot(difference(o, i, v), w), o, i, "along a random direction");
    }
  }

  void whole_jacobian(size_t o) const {
    int64_t rows = outputs_[o].numel();
    std::vector<variable_list> analytical_rows;
    for (int64_t r = 0; r < rows; ++r) {
      Tensor one_hot = zeros(outputs_[o].sizes(), outputs_[o].options());
      one_hot.view({-1}).select(0, r).fill_(1);
      analytical_rows.push_back(analytical(outputs_[o], one_hot, leaves_));
    }
    for (size_t k = 0; k < wanted_.size(); ++k) {
      size_t i = wanted_[k];
      for (int64_t c = 0; c < inputs_[i].numel(); ++c) {
        Tensor unit = zeros(inputs_[i].sizes(), inputs_[i].options());
        unit.view({-1}).select(0, c).fill_(1);
        Tensor column = difference(o, i, unit).contiguous().view({-1});
        for (int64_t r = 0; r < rows; ++r) {
          Tensor row = analytical_rows[static_cast<size_t>(r)][k].contiguous().view({-1});
          compare(row.select(0, c).to(kDouble).item<double>(), column.select(0, r).item<double>(), o, i,
                  str("entry (", r, ", ", c, ")").c_str());
        }
      }
    }
  }

  const TensorFunction& f_;
  const variable_list& inputs_;
  const GradcheckOptions& options_;
  variable_list outputs_, leaves_;
  std::vector<size_t> wanted_;
};

}  // namespace

bool gradcheck(const TensorFunction& f, const variable_list& inputs, const GradcheckOptions& options) {
  AutoGradMode on(true);
  try {
    Check(f, inputs, options).run();
  } catch (const Error&) {
    if (options.raise_exception) throw;
    return false;
  }
  return true;
}

bool gradgradcheck(const TensorFunction& f, const variable_list& inputs, const variable_list& grad_outputs,
                   const GradcheckOptions& options) {
  AutoGradMode on(true);
  variable_list outputs = f(inputs), all = inputs, weights = grad_outputs;
  std::vector<size_t> differentiable;
  for (size_t o = 0; o < outputs.size(); ++o) {
    if (counts(outputs[o]) && outputs[o].requires_grad()) differentiable.push_back(o);
  }
  if (weights.empty()) {
    Directions directions;
    for (size_t o : differentiable) {
      weights.push_back(directions.like(outputs[o]).to(outputs[o].options()).requires_grad_());
    }
  }
  all.insert(all.end(), weights.begin(), weights.end());
  size_t count = inputs.size();
  TensorFunction first_derivative = [&](const variable_list& x) {
    // Under no_grad (numerical evaluation) the leaves have to be leaves again.
    AutoGradMode recording(true);
    variable_list here(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(count)), wanted;
    for (size_t i = 0; i < count; ++i) {
      if (!counts(here[i]) || !inputs[i].requires_grad()) continue;
      if (!here[i].requires_grad()) here[i] = here[i].detach().requires_grad_();
      wanted.push_back(here[i]);
    }
    variable_list y = f(here), used;
    for (size_t o : differentiable) used.push_back(y[o]);
    variable_list given(x.begin() + static_cast<std::ptrdiff_t>(count), x.end());
    variable_list gradients = grad(used, wanted, given, true, true, true);
    for (size_t i = 0; i < gradients.size(); ++i) {
      if (!gradients[i].defined()) gradients[i] = zeros(wanted[i].sizes(), wanted[i].options());
    }
    return gradients;
  };
  return gradcheck(first_derivative, all, options);
}

}  // namespace fulmen::autograd
