#include <fulmen/tensor/allocator.h>
#include <fulmen/tensor/cuda.h>
#include <fulmen/tensor/error.h>
#include <fulmen/trainer/callbacks/monitors.h>
#include <fulmen/trainer/trainer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>

namespace fulmen::trainer {
namespace {

bool row_is_due(const Trainer& trainer) {
  const int64_t every = trainer.options().log_every_n_steps;
  return every > 0 && trainer.global_step() % every == 0;
}

void send(Trainer& trainer, const Metrics& row) {
  const int64_t step = trainer.global_step() > 0 ? trainer.global_step() - 1 : 0;
  for (const auto& logger : trainer.loggers()) logger->log_metrics(row, step);
}

/// Bytes of the process in memory; 0 where the system does not say.
double resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (!file) return 0;
  long long pages = 0;
  if (std::fscanf(file, "%*s %lld", &pages) != 1) pages = 0;
  std::fclose(file);
  return static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double processor_seconds() {
  struct rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const struct timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

void DeviceStatsMonitor::log_stats(Trainer& trainer) {
  const MemoryStats memory = memory_stats();
  Metrics row{{"device/cpu_seconds", processor_seconds()},
              {"device/rss_bytes", resident_bytes()},
              {"device/tensors_bytes", static_cast<double>(memory.in_use)},
              {"device/reserved_bytes", static_cast<double>(memory.reserved)}};
  if (cuda::is_available()) {
    const cuda::MemoryStats stats = cuda::memory_stats();
    row.set("device/cuda_allocated_bytes", static_cast<double>(stats.allocated_bytes.current));
    row.set("device/cuda_reserved_bytes", static_cast<double>(stats.reserved_bytes.current));
    row.set("device/cuda_allocated_bytes_peak", static_cast<double>(stats.allocated_bytes.peak));
    row.set("device/cuda_reserved_bytes_peak", static_cast<double>(stats.reserved_bytes.peak));
  }
  send(trainer, row);
}

void DeviceStatsMonitor::on_train_batch_end(Trainer& trainer, Module&, const StepOutput&, const AnyRef&, int64_t) {
  if (row_is_due(trainer)) log_stats(trainer);
}
void DeviceStatsMonitor::on_validation_end(Trainer& trainer, Module&) {
  if (!trainer.sanity_checking()) log_stats(trainer);
}
void DeviceStatsMonitor::on_test_end(Trainer& trainer, Module&) { log_stats(trainer); }

ThroughputMonitor::ThroughputMonitor(int64_t window) : window_(window) {
  if (window < 1)
    throw Error("E016", str("ThroughputMonitor: window is ", window, "; allowed: 1 or more"), "change it");
}

double ThroughputMonitor::training_seconds() const { return watch_->seconds() - paused_; }

void ThroughputMonitor::on_train_start(Trainer&, Module&) {
  watch_.emplace();
  validation_.reset();
  paused_ = 0;
  batches_ = samples_ = 0;
  moments_.assign(static_cast<size_t>(window_), Moment());
}

void ThroughputMonitor::on_train_batch_end(Trainer& trainer, Module&, const StepOutput&, const AnyRef&, int64_t) {
  ++batches_;
  samples_ += static_cast<int64_t>(trainer.batch_indices().size());
  Moment& oldest = moments_[static_cast<size_t>(batches_ % window_)];
  const Moment from = oldest, now{training_seconds(), batches_, samples_};
  oldest = now;
  if (!row_is_due(trainer)) return;
  const double seconds = now.seconds - from.seconds;
  const auto rate = [&](int64_t a, int64_t b) { return seconds > 0 ? static_cast<double>(b - a) / seconds : 0.0; };
  send(trainer, {{"throughput/batches_per_second", rate(from.batches, now.batches)},
                 {"throughput/samples_per_second", rate(from.samples, now.samples)},
                 {"throughput/seconds", now.seconds},
                 {"throughput/batches", static_cast<double>(batches_)},
                 {"throughput/samples", static_cast<double>(samples_)}});
}

void ThroughputMonitor::on_validation_start(Trainer&, Module&) { validation_.emplace(); }
void ThroughputMonitor::on_validation_end(Trainer&, Module&) {
  if (validation_) paused_ += validation_->seconds();
  validation_.reset();
}

}  // namespace fulmen::trainer
