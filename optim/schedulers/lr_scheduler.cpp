#include <fulmen/nn/type_name.h>
#include <fulmen/optim/schedulers/lr_scheduler.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace fulmen::optim {
namespace {

using nlohmann::json;

/// JSON has no infinity, which is the best metric before the first one was seen.
json to_json(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}
double to_double(const json& value) {
  if (!value.is_string()) return value.get<double>();
  const std::string text = value;
  if (text == "inf") return HUGE_VAL;
  if (text == "-inf") return -HUGE_VAL;
  if (text == "nan") return NAN;
  throw std::invalid_argument(text);
}

class Writer final : public SchedulerFields {
 public:
  void operator()(const char* name, int64_t& value) override { out[name] = value; }
  void operator()(const char* name, double& value) override { out[name] = to_json(value); }
  void operator()(const char* name, std::vector<double>& values) override {
    json& list = out[name] = json::array();
    for (double value : values) list.push_back(to_json(value));
  }
  void operator()(const char* name, std::vector<std::shared_ptr<LRScheduler>>& schedulers) override {
    json& list = out[name] = json::array();
    for (const auto& scheduler : schedulers) {
      Writer inner;
      scheduler->visit_state(inner);
      list.push_back(std::move(inner.out));
    }
  }
  json out = json::object();
};

class Reader final : public SchedulerFields {
 public:
  explicit Reader(const json& saved) : saved_(saved) {}
  void operator()(const char* name, int64_t& value) override { value = saved_.at(name).get<int64_t>(); }
  void operator()(const char* name, double& value) override { value = to_double(saved_.at(name)); }
  void operator()(const char* name, std::vector<double>& values) override {
    const json& list = saved_.at(name);
    if (list.size() != values.size()) {
      throw std::invalid_argument(str(name, " has ", list.size(), " entries for ", values.size()));
    }
    for (size_t i = 0; i < values.size(); ++i) values[i] = to_double(list.at(i));
  }
  void operator()(const char* name, std::vector<std::shared_ptr<LRScheduler>>& schedulers) override {
    const json& list = saved_.at(name);
    if (list.size() != schedulers.size()) {
      throw std::invalid_argument(str(name, " has ", list.size(), " entries for ", schedulers.size()));
    }
    for (size_t i = 0; i < schedulers.size(); ++i) {
      Reader inner(list.at(i));
      schedulers[i]->visit_state(inner);
    }
  }

 private:
  const json& saved_;
};

}  // namespace

LRScheduler::LRScheduler(Optimizer& optimizer) : optimizer_(optimizer) {
  // A second scheduler of the same optimizer starts from the same rates as the first, whatever that did to them.
  for (OptimizerParamGroup& group : optimizer_.param_groups()) {
    if (!group.initial_lr()) group.set_initial_lr(group.options().get_lr());
    base_lrs_.push_back(*group.initial_lr());
  }
}

std::string LRScheduler::name() const { return nn::short_type_name(typeid(*this)); }

void LRScheduler::step() {
  ++step_count_;
  set_lrs(get_lrs());
}

void LRScheduler::step(double) {
  throw Error("E016", name() + ": step() was given a metric, but this scheduler watches none",
              "call step() without one, or take ReduceLROnPlateau");
}

void LRScheduler::begin() {
  step_count_ = 0;
  set_lrs(first_lrs());
}

void LRScheduler::restart() {
  set_lrs(base_lrs_);
  begin();
}

void LRScheduler::set_lrs(const std::vector<double>& lrs) {
  auto& groups = optimizer_.param_groups();
  FULMEN_CHECK(lrs.size() == groups.size(), name(), ": get_lrs() gave ", lrs.size(), " learning rates for ",
               groups.size(), " parameter groups");
  for (size_t i = 0; i < lrs.size(); ++i) groups[i].options().set_lr(lrs[i]);
}

std::vector<double> LRScheduler::get_current_lrs() const {
  std::vector<double> lrs;
  for (const OptimizerParamGroup& group : optimizer_.param_groups()) lrs.push_back(group.options().get_lr());
  return lrs;
}

void LRScheduler::state_fields(SchedulerFields& fields) {
  fields("last_epoch", step_count_);
  fields("base_lrs", base_lrs_);
}

std::string LRScheduler::state_dict() const {
  Writer writer;
  const_cast<LRScheduler*>(this)->state_fields(writer);
  return writer.out.dump();
}

void LRScheduler::load_state_dict(const std::string& text) {
  try {
    const json saved = json::parse(text);
    Reader reader(saved);
    state_fields(reader);
  } catch (const std::exception& problem) {
    throw Error("E013", name() + ": this state is not one of the same schedule: " + problem.what(),
                "make the scheduler as it was when the state was saved");
  }
}

std::vector<double> PerGroup::spread(const Optimizer& optimizer, const char* option) const {
  const size_t groups = optimizer.param_groups().size();
  if (values_.size() == 1) return std::vector<double>(groups, values_[0]);
  if (values_.size() != groups) {
    throw Error("E016", str(option, " has ", values_.size(), " values for ", groups, " parameter groups"),
                "give one value, or one per group");
  }
  return values_;
}

}  // namespace fulmen::optim
