#pragma once

namespace fulmen {

namespace autograd {
/// Per-thread switches of the op machine.
struct ThreadModes {
  bool grad = true;        ///< operations on tensors that require grad are recorded
  bool inference = false;  ///< new tensors are inference tensors: no version counting, no history
};
inline thread_local constinit ThreadModes modes;
}  // namespace autograd

struct GradMode {
  static bool is_enabled() { return autograd::modes.grad; }
  static void set_enabled(bool on) { autograd::modes.grad = on; }
};

/// Switches recording on or off until the end of the scope.
class AutoGradMode {
 public:
  explicit AutoGradMode(bool on) : before_(autograd::modes.grad) { autograd::modes.grad = on; }
  ~AutoGradMode() { autograd::modes.grad = before_; }
  AutoGradMode(const AutoGradMode&) = delete;
  AutoGradMode& operator=(const AutoGradMode&) = delete;

 private:
  bool before_;
};

/// Nothing is recorded until the end of the scope.
class NoGradGuard : public AutoGradMode {
 public:
  NoGradGuard() : AutoGradMode(false) {}
};

/// Like NoGradGuard, and tensors made inside can never take part in a graph.
class InferenceMode {
 public:
  explicit InferenceMode(bool on = true) : before_(autograd::modes) {
    autograd::modes.inference = on;
    autograd::modes.grad = !on;
  }
  ~InferenceMode() { autograd::modes = before_; }
  InferenceMode(const InferenceMode&) = delete;
  InferenceMode& operator=(const InferenceMode&) = delete;
  static bool is_enabled() { return autograd::modes.inference; }

 private:
  autograd::ThreadModes before_;
};

}  // namespace fulmen
