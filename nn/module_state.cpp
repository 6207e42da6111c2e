#include <fulmen/autograd/grad_mode.h>
#include <fulmen/nn/module.h>
#include <fulmen/nn/type_name.h>
#include <fulmen/tensor/nearest_name.h>

namespace fulmen::nn {
namespace {

using NamedTensors = OrderedDict<std::string, Tensor>;

void collect_state(const Module& module, const std::string& prefix, NamedTensors& out) {
  for (const auto& item : module.named_parameters(false)) out.insert(prefix + item.key(), item.value().data());
  for (const auto& item : module.named_buffers(false)) out.insert(prefix + item.key(), item.value().data());
  for (const auto& child : module.named_children()) collect_state(*child.value(), prefix + child.key() + ".", out);
}

std::string suggestion(const std::string& name, const std::vector<std::string>& candidates) {
  const std::string nearest = nearest_name(name, candidates);
  return nearest.empty() ? "" : "  (did you mean " + nearest + "?)";
}

/// The table of E013: one line per difference.
std::string mismatch_table(const LoadReport& report, const NamedTensors& own, const NamedTensors& state) {
  std::string text;
  for (const std::string& name : report.missing) {
    append(text, str("\n  missing     ", name, " ", own[name].sizes(), suggestion(name, report.unexpected)));
  }
  for (const std::string& name : report.unexpected) {
    append(text, str("\n  unexpected  ", name, " ", state[name].sizes(), suggestion(name, report.missing)));
  }
  for (const std::string& name : report.mismatched) {
    append(text,
           str("\n  shape       ", name, ": module has ", own[name].sizes(), ", state has ", state[name].sizes()));
  }
  return text;
}

}  // namespace

NamedTensors Module::state_dict() const {
  NamedTensors out;
  collect_state(*this, "", out);
  return out;
}

LoadReport Module::load_state_dict(const NamedTensors& state, bool strict) {
  const NamedTensors own = state_dict();
  LoadReport report;
  for (const auto& item : own) {
    const Tensor* value = state.find(item.key());
    if (!value || !value->defined()) {
      report.missing.push_back(item.key());
    } else if (value->sizes() != item.value().sizes()) {
      report.mismatched.push_back(item.key());
    }
  }
  for (const auto& item : state) {
    if (!own.contains(item.key())) report.unexpected.push_back(item.key());
  }
  if (strict && !report.ok()) {
    throw Error("E013",
                str("load_state_dict: the state does not fit ", short_type_name(typeid(*this)), ": ",
                    report.missing.size(), " missing, ", report.unexpected.size(), " unexpected, ",
                    report.mismatched.size(), " of another shape", mismatch_table(report, own, state)),
                "strict = false loads what fits");
  }
  NoGradGuard no_grad;
  for (const auto& item : own) {
    const Tensor* value = state.find(item.key());
    if (value && value->defined() && value->sizes() == item.value().sizes()) item.value().copy_(*value);
  }
  return report;
}

}  // namespace fulmen::nn
