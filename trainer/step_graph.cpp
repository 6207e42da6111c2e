#include <fulmen/trainer/step_graph.h>

#include <utility>

namespace fulmen::trainer {

namespace {
/// Ordinary steps before one is recorded: they make the optimizer's state and fill the allocator's cache.
constexpr int64_t warm_up_steps = 3;
}  // namespace

bool detail::copy_all(const std::vector<Tensor>& to, const std::vector<Tensor>& from) {
  if (to.size() != from.size()) return false;
  for (size_t i = 0; i < to.size(); ++i) {
    if (to[i].sizes() != from[i].sizes() || to[i].scalar_type() != from[i].scalar_type() ||
        !(to[i].device() == from[i].device())) {
      return false;
    }
  }
  for (size_t i = 0; i < to.size(); ++i) to[i].copy_(from[i]);
  return true;
}

bool StepGraph::train(const void* batch, const Step& step, StepOutput& output) {
  if (!graph_.captured()) {
    if (seen_++ < warm_up_steps) return false;
    steps_.keep(batch);
    record(step);
  } else if (!steps_.refill(batch)) {
    return false;
  }
  for (auto& [parameter, gradient] : gradients_) parameter.mutable_grad() = gradient;  // an ordinary step made others
  graph_.replay();
  log_again();
  // What a hook keeps must not change with the next replay.
  if (output_.outputs().empty()) {
    output = StepOutput(output_.loss().clone());
  } else {
    Dict copies;
    for (const auto& [name, value] : output_.outputs()) copies[name] = value.clone();
    output = StepOutput(std::move(copies));
  }
  return true;
}

void StepGraph::record(const Step& step) {
  graph_.capture_begin();
  run_.metrics.deferred = &logs_;
  run_.metrics.recording = true;
  try {
    output_ = step(steps_.kept());
    output_.detach();
  } catch (...) {
    run_.metrics.deferred = nullptr;
    run_.metrics.recording = false;
    graph_.capture_abandon();
    throw;
  }
  run_.metrics.deferred = nullptr;
  run_.metrics.recording = false;
  graph_.capture_end();
  for (const auto& group : run_.optimizers.first()->param_groups()) {
    for (const Tensor& parameter : group.params()) gradients_.emplace_back(parameter, parameter.grad());
  }
}

void StepGraph::log_again() {
  for (const MetricBook::Deferred& entry : logs_) {
    run_.metrics.site = entry.site;
    run_.metrics.log(entry.name, entry.value.defined() ? entry.value.item().toDouble() : entry.number, entry.options);
  }
}

}  // namespace fulmen::trainer
