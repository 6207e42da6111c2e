#pragma once
#include <fulmen/trainer/callback.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fulmen::trainer {

struct ProfilerOptions {
  /// Where the table goes: a file, or standard error if empty.
  std::string filename = {};
  /// A file for chrome://tracing or ui.perfetto.dev, which shows every call on a time line; empty for none.
  std::string chrome_trace = {};
  /// Calls that are kept for the time line at most.
  int64_t max_events = 1000000;
};

/// Where the time of a run goes: how often each action ran, how long on average and in total, and its share. The first
/// callback of a trainer, it sees the other callbacks' time as part of the actions around them. A call of an action
/// costs about 50 nanoseconds.
///
///     auto profiler = std::make_shared<Profiler>();
///     Trainer trainer({.callbacks = {profiler}});
///     ...
///     auto timed = profiler->profile("decode");   // in your own code; until the end of the scope
class Profiler : public Callback {
 public:
  explicit Profiler(ProfilerOptions options = {});
  ~Profiler() override;

  void start(std::string_view action);
  void stop(std::string_view action);
  /// Measures until it is destroyed.
  class Scope {
   public:
    Scope(Profiler& profiler, std::string_view action) : profiler_(profiler), action_(action) {
      profiler_.start(action_);
    }
    Scope(const Scope&) = delete;
    ~Scope() { profiler_.stop(action_); }

   private:
    Profiler& profiler_;
    std::string action_;
  };
  Scope profile(std::string_view action) { return Scope(*this, action); }

  struct Action {
    std::string name;
    int64_t calls = 0;
    double seconds = 0;
  };
  /// All actions, the longest first.
  std::vector<Action> actions() const;
  /// The table that is printed at the end of a run.
  std::string summary() const;
  /// The time line, as JSON in Chrome's trace format.
  std::string chrome_trace() const;

  void setup(Trainer&, Module&, Stage) override;
  void teardown(Trainer&, Module&, Stage) override;
  void on_train_epoch_start(Trainer&, Module&) override;
  void on_train_epoch_end(Trainer&, Module&) override;
  void on_train_batch_start(Trainer&, Module&, const AnyRef&, int64_t) override;
  void on_train_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef&, int64_t) override;
  void on_before_zero_grad(Trainer&, Module&, optim::Optimizer&) override;
  void on_before_backward(Trainer&, Module&, const Tensor&) override;
  void on_after_backward(Trainer&, Module&) override;
  void on_before_optimizer_step(Trainer&, Module&, optim::Optimizer&) override;
  void on_validation_start(Trainer&, Module&) override;
  void on_validation_end(Trainer&, Module&) override;
  void on_validation_batch_start(Trainer&, Module&, const AnyRef&, int64_t, int64_t) override;
  void on_validation_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef&, int64_t, int64_t) override;
  void on_test_batch_start(Trainer&, Module&, const AnyRef&, int64_t, int64_t) override;
  void on_test_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef&, int64_t, int64_t) override;
  void on_predict_batch_start(Trainer&, Module&, const AnyRef&, int64_t, int64_t) override;
  void on_predict_batch_end(Trainer&, Module&, const AnyRef&, const AnyRef&, int64_t, int64_t) override;
  void on_exception(Trainer&, Module&, const std::exception&) override;

 private:
  struct Body;
  void close(std::string_view action);
  void report();
  std::unique_ptr<Body> body_;
};

}  // namespace fulmen::trainer
