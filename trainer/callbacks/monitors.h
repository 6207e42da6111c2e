#pragma once
#include <fulmen/trainer/callback.h>
#include <fulmen/trainer/stopwatch.h>

#include <optional>

namespace fulmen::trainer {

/// Sends to the loggers, with every row of step metrics, what the run takes of the machine: "device/cpu_seconds" and
/// "device/rss_bytes" of the process, "device/tensors_bytes" in use and "device/reserved_bytes" of the allocator; on a
/// CUDA device also "device/cuda_allocated_bytes", "device/cuda_reserved_bytes" and their peaks.
class DeviceStatsMonitor : public Callback {
 public:
  void on_train_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef&, int64_t) override;
  void on_validation_end(Trainer&, Module&) override;
  void on_test_end(Trainer&, Module&) override;

 private:
  static void log_stats(Trainer& trainer);
};

/// Sends to the loggers how fast training is: "throughput/batches_per_second", "throughput/samples_per_second" over the
/// last `window` batches, and "throughput/seconds", "throughput/batches", "throughput/samples" since the fit began.
/// Validation is not counted.
class ThroughputMonitor : public Callback {
 public:
  explicit ThroughputMonitor(int64_t window = 100);
  void on_train_start(Trainer&, Module&) override;
  void on_train_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef&, int64_t) override;
  void on_validation_start(Trainer&, Module&) override;
  void on_validation_end(Trainer&, Module&) override;

 private:
  struct Moment {
    double seconds = 0;
    int64_t batches = 0, samples = 0;
  };
  double training_seconds() const;

  const int64_t window_;
  std::optional<Stopwatch> watch_, validation_;
  double paused_ = 0;
  int64_t batches_ = 0, samples_ = 0;
  std::vector<Moment> moments_;  // a ring of the last `window` batches
};

}  // namespace fulmen::trainer
