#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/join.h>
#include <fulmen/optim/lbfgs.h>
#include <fulmen/optim/line_search.h>
#include <fulmen/tensor/cuda.h>

#include <algorithm>
#include <cmath>

namespace fulmen::optim {
namespace {

double number(const Tensor& tensor) { return tensor.item<double>(); }
double largest(const Tensor& vector) { return number(vector.abs().max()); }

double loss_of(const Tensor& loss) {
  FULMEN_CHECK(loss.defined() && loss.numel() == 1, "LBFGS: the closure must return the loss, a tensor of one element");
  return number(loss);
}

}  // namespace

LBFGSOptions::LBFGSOptions(double lr) : lr_(lr) {}
std::vector<OptionField> LBFGSOptions::fields() {
  std::vector<OptionField> all{{"lr", &lr_},
                               {"max_iter", nullptr, nullptr, &max_iter_},
                               {"tolerance_grad", &tolerance_grad_},
                               {"tolerance_change", &tolerance_change_},
                               {"history_size", nullptr, nullptr, &history_size_}};
  if (max_eval_) all.push_back({"max_eval", nullptr, nullptr, &*max_eval_});
  return all;
}

NamedState LBFGSParamState::named_tensors() {
  NamedState all{{"d", &d_}, {"prev_flat_grad", &prev_flat_grad_}};
  for (Tensor& tensor : old_dirs_) all.emplace_back("old_dirs", &tensor);
  for (Tensor& tensor : old_stps_) all.emplace_back("old_stps", &tensor);
  return all;
}

std::vector<double> LBFGSParamState::numbers() const {
  std::vector<double> all{static_cast<double>(func_evals_), static_cast<double>(n_iter_), t_, prev_loss_, H_diag_};
  all.insert(all.end(), ro_.begin(), ro_.end());
  return all;
}

LBFGS::LBFGS(const std::vector<OptimizerParamGroup>& groups, LBFGSOptions defaults)
    : Optimizer(groups, std::make_unique<LBFGSOptions>(defaults)) {
  FULMEN_CHECK(param_groups_.size() == 1, "LBFGS doesn't support per-parameter options (parameter groups)");
  FULMEN_CHECK(defaults.lr() >= 0, "LBFGS: Invalid learning rate: ", defaults.lr());
  const auto& line_search = defaults.line_search_fn();
  FULMEN_CHECK(!line_search || *line_search == "strong_wolfe",
               "LBFGS: only 'strong_wolfe' is supported as "
               "line_search_fn; got '",
               line_search.value_or(""), "'");
  for (OptimizerOptions* options : {&param_groups_[0].options(), &this->defaults()}) {
    auto& o = static_cast<LBFGSOptions&>(*options);
    if (!o.max_eval()) o.max_eval(o.max_iter() * 5 / 4);
  }
}
LBFGS::LBFGS(std::vector<Tensor> params, LBFGSOptions defaults)
    : LBFGS(std::vector<OptimizerParamGroup>{OptimizerParamGroup(std::move(params))}, defaults) {}
std::unique_ptr<OptimizerParamState> LBFGS::make_state() const { return std::make_unique<LBFGSParamState>(); }

Tensor LBFGS::flat_gradient() const {
  std::vector<Tensor> parts;
  for (const Tensor& parameter : parameters()) {
    parts.push_back(parameter.grad().defined() ? parameter.grad().reshape({-1})
                                               : zeros_like(parameter.detach()).reshape({-1}));
  }
  return cat(parts, 0);
}

void LBFGS::move(double step, const Tensor& direction) {
  int64_t at = 0;
  for (Tensor parameter : parameters()) {
    const int64_t count = parameter.numel();
    parameter.add_(direction.narrow(0, at, count).view(parameter.sizes()), step);
    at += count;
  }
}

void LBFGS::find_direction(LBFGSParamState& state, const Tensor& gradient, int64_t history_size) {
  auto &changes = state.old_dirs(), &steps = state.old_stps();
  auto& ro = state.ro();
  if (state.n_iter() == 1) {
    changes.clear(), steps.clear(), ro.clear();
    state.H_diag(1);
    state.d(gradient.neg());
    return;
  }
  const Tensor change = gradient - state.prev_flat_grad();
  const Tensor step = state.d() * Scalar(state.t());
  const double product = number(change.dot(step));
  if (product > 1e-10) {  // otherwise the curvature says nothing
    if (static_cast<int64_t>(changes.size()) == history_size) {
      changes.erase(changes.begin()), steps.erase(steps.begin()), ro.erase(ro.begin());
    }
    changes.push_back(change);
    steps.push_back(step);
    ro.push_back(1 / product);
    state.H_diag(product / number(change.dot(change)));
  }
  // The inverse Hessian times the gradient: back through the history, and forth again.
  std::vector<double> shares(changes.size());
  Tensor q = gradient.neg();
  for (size_t i = changes.size(); i-- > 0;) {
    shares[i] = number(steps[i].dot(q)) * ro[i];
    q.add_(changes[i], -shares[i]);
  }
  q.mul_(state.H_diag());
  for (size_t i = 0; i < changes.size(); ++i) {
    const double back = number(changes[i].dot(q)) * ro[i];
    q.add_(steps[i], shares[i] - back);
  }
  state.d(q);
}

int64_t LBFGS::advance(LBFGSParamState& state, const LossClosure& closure, double slope, int64_t evaluations_left,
                       bool last, double& loss, Tensor& gradient) {
  const auto& o = static_cast<const LBFGSOptions&>(param_groups_[0].options());
  const Tensor direction = state.d();
  if (!o.line_search_fn()) {
    move(state.t(), direction);
    if (last) return 0;  // nobody asks for the loss there
    loss = loss_of(run(closure));
    gradient = flat_gradient();
    return 1;
  }
  std::vector<Tensor> origin;
  for (const Tensor& parameter : parameters()) origin.push_back(parameter.detach().clone());
  auto at = [&](double step) {
    move(step, direction);
    LinePoint point{step, loss_of(run(closure)), 0, flat_gradient()};
    for (size_t i = 0; i < origin.size(); ++i) Tensor(parameters()[i]).copy_(origin[i]);
    point.slope = number(point.gradient.dot(direction));
    return point;
  };
  int64_t evaluations = 0;
  const LinePoint found = strong_wolfe(at, {0, loss, slope, gradient}, state.t(),
                                       {.max_evaluations = evaluations_left,
                                        .tolerance_change = o.tolerance_change(),
                                        .direction_size = largest(direction)},
                                       evaluations);
  state.t(found.step);
  loss = found.loss;
  gradient = found.gradient;
  move(found.step, direction);
  return evaluations;
}

Tensor LBFGS::step(LossClosure closure) {
  FULMEN_CHECK(closure, "LBFGS requires a closure function: step([&] { ...; loss.backward(); return loss; })");
  FULMEN_CHECK(!cuda::is_capturing(), "LBFGS: a step cannot be captured in a CUDA graph");
  NoGradGuard no_grad;
  const Tensor first_loss = run(closure);
  if (parameters().empty()) return first_loss;
  const auto& o = static_cast<const LBFGSOptions&>(param_groups_[0].options());
  const int64_t max_evaluations = o.max_eval().value_or(o.max_iter() * 5 / 4);
  auto& state = state_of<LBFGSParamState>(parameters()[0]);
  double loss = loss_of(first_loss);
  int64_t evaluations = 1;
  state.func_evals(state.func_evals() + 1);
  Tensor gradient = flat_gradient();
  if (largest(gradient) <= o.tolerance_grad()) return first_loss;

  for (int64_t i = 1; i <= o.max_iter(); ++i) {
    state.n_iter(state.n_iter() + 1);
    find_direction(state, gradient, o.history_size());
    state.prev_flat_grad(gradient);
    state.prev_loss(loss);
    state.t(state.n_iter() == 1 ? std::min(1.0, 1 / number(gradient.abs().sum())) * o.lr() : o.lr());
    const double slope = number(gradient.dot(state.d()));
    if (slope > -o.tolerance_change()) break;
    const bool last = i == o.max_iter();
    const int64_t taken = advance(state, closure, slope, max_evaluations - evaluations, last, loss, gradient);
    evaluations += taken;
    state.func_evals(state.func_evals() + taken);
    if (last || evaluations >= max_evaluations || largest(gradient) <= o.tolerance_grad() ||
        largest(state.d()) * std::fabs(state.t()) <= o.tolerance_change() ||
        std::fabs(loss - state.prev_loss()) < o.tolerance_change()) {
      break;
    }
  }
  return first_loss;
}

// A checkpoint holds the history as one tensor each, and the numbers in one more, under the first parameter's name.

namespace {
std::string name_of(const Tensor& parameter, const OrderedDict<std::string, Tensor>& names) {
  for (const auto& item : names) {
    if (item.value().unsafeGetTensorImpl() == parameter.unsafeGetTensorImpl()) return item.key();
  }
  fail("LBFGS: its first parameter is none of the named ones");
}
constexpr size_t fixed_numbers = 5;  // before ro, see LBFGSParamState::numbers
}  // namespace

OrderedDict<std::string, Tensor> LBFGS::named_state(const OrderedDict<std::string, Tensor>& names) const {
  OrderedDict<std::string, Tensor> out;
  if (parameters().empty()) return out;
  const auto found = state_.find(parameters()[0].unsafeGetTensorImpl());
  if (found == state_.end()) return out;
  auto& state = static_cast<LBFGSParamState&>(*found->second);
  const std::string prefix = name_of(parameters()[0], names) + ".";
  const std::vector<double> numbers = state.numbers();
  const Tensor values = empty({static_cast<int64_t>(numbers.size())}, kDouble);
  std::copy(numbers.begin(), numbers.end(), values.data_ptr<double>());
  out.insert(prefix + "numbers", values);
  if (state.d().defined()) out.insert(prefix + "d", state.d());
  if (state.prev_flat_grad().defined()) out.insert(prefix + "prev_flat_grad", state.prev_flat_grad());
  if (!state.old_dirs().empty()) {
    out.insert(prefix + "old_dirs", stack(state.old_dirs(), 0));
    out.insert(prefix + "old_stps", stack(state.old_stps(), 0));
  }
  return out;
}

void LBFGS::load_named_state(const OrderedDict<std::string, Tensor>& names,
                             const OrderedDict<std::string, Tensor>& saved) {
  state_.clear();
  if (parameters().empty() || saved.is_empty()) return;
  const std::string prefix = name_of(parameters()[0], names) + ".";
  const Device device = parameters()[0].device();
  int64_t elements = 0;
  for (const Tensor& parameter : parameters()) elements += parameter.numel();
  const Tensor* values = saved.find(prefix + "numbers");
  FULMEN_CHECK(values && values->scalar_type() == kDouble && values->numel() >= static_cast<int64_t>(fixed_numbers),
               "LBFGS: there is no state ", prefix, "numbers of this optimizer");
  auto& state = state_of<LBFGSParamState>(parameters()[0]);
  const auto* n = static_cast<const double*>(values->const_data_ptr());
  state.func_evals(static_cast<int64_t>(n[0])).n_iter(static_cast<int64_t>(n[1])).t(n[2]).prev_loss(n[3]).H_diag(n[4]);
  state.ro(std::vector<double>(n + fixed_numbers, n + values->numel()));
  const auto history = static_cast<int64_t>(state.ro().size());
  auto take = [&](const char* name, Tensor& target) {
    const Tensor* tensor = saved.find(prefix + name);
    if (!tensor) return;
    FULMEN_CHECK(tensor->size(-1) == elements, "LBFGS: state ", prefix, name, " has ", tensor->size(-1),
                 " elements, its parameters ", elements);
    target = tensor->to(device).clone();
  };
  Tensor changes, steps;
  take("d", state.d()), take("prev_flat_grad", state.prev_flat_grad());
  take("old_dirs", changes), take("old_stps", steps);
  FULMEN_CHECK(
      history == 0 || (changes.defined() && steps.defined() && changes.size(0) == history && steps.size(0) == history),
      "LBFGS: the history in ", prefix, "old_dirs and old_stps is not complete");
  for (int64_t i = 0; i < history; ++i) {
    state.old_dirs().push_back(changes[i]);
    state.old_stps().push_back(steps[i]);
  }
}

}  // namespace fulmen::optim
