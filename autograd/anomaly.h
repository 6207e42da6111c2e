#pragma once
#include <fulmen/autograd/node.h>

namespace fulmen::autograd {

/// While one lives, every recorded node remembers the forward call that made it, and a backward pass that fails or
/// gives NaN names that call in a warning before the error.
class DetectAnomalyGuard {
 public:
  explicit DetectAnomalyGuard(bool check_nan = true);
  ~DetectAnomalyGuard();
  DetectAnomalyGuard(const DetectAnomalyGuard&) = delete;
  DetectAnomalyGuard& operator=(const DetectAnomalyGuard&) = delete;

 private:
  bool before_enabled_, before_check_nan_;
};

bool anomaly_enabled();
bool anomaly_checks_nan();

/// Names the place that is running, innermost last, for messages: nn modules and trainer steps open one each.
class CallScope {
 public:
  explicit CallScope(std::string name);
  ~CallScope();
  CallScope(const CallScope&) = delete;
  CallScope& operator=(const CallScope&) = delete;
  /// "training_step > net.2 (Linear)", empty outside of any scope.
  static std::string path();
};

/// Keeps the current call path (and, inside a backward pass, the node that runs) with `node`.
void record_trace(Node& node);
/// Issues the warnings for a node that failed.
void warn_about(const Node& node);

}  // namespace fulmen::autograd
