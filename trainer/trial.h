#pragma once
#include <fulmen/trainer/run.h>

// What tuners do within a run. Private to the trainer's sources.
namespace fulmen::trainer {

/// Some training or evaluation within a run, which the run then forgets: weights, optimizer, schedulers, counters,
/// metrics, random streams and samplers are afterwards what they were, with the same bits. While it exists, the run has
/// neither callbacks nor loggers, and its options may be changed.
class Trial {
 public:
  explicit Trial(Run& run);
  /// Searches; then everything is as before, also after an exception.
  template <class Search>
  void run(const Search& search) {
    try {
      search();
    } catch (...) {
      forget();
      throw;
    }
    forget();
  }

  /// Trains (in a fit), within the limits of the options; `watching` sees it.
  void train(std::shared_ptr<Callback> watching = nullptr);
  /// Validates, tests or predicts with so many batches of each loader.
  void evaluate(int64_t batches);
  /// The next training asks for loaders again.
  void drop_loaders();
  /// Samples of the loader that the run would use now; none if it is a stream.
  std::optional<int64_t> samples();

 private:
  void forget();
  Engines evaluation_loaders() const;
  void keep_samplers(const Engines& loaders);

  struct SamplerState {
    std::shared_ptr<data::LoaderEngine> loader;
    std::vector<int64_t> state;
  };
  Run& run_;
  TrainerOptions options_;
  std::vector<std::shared_ptr<Callback>> callbacks_;
  std::vector<std::shared_ptr<Logger>> loggers_;
  std::vector<Optimizers::Scheduled> schedulers_;
  std::vector<std::optional<double>> initial_lrs_;
  Progress progress_;
  MetricBook metrics_;
  HookSite site_;
  Checkpoint state_;
  std::optional<IsolateRng> random_;
  std::vector<SamplerState> samplers_;
  int64_t batch_idx_, num_training_batches_, val_check_batch_, accumulate_grad_batches_;
  bool should_stop_;
};

/// Warns that `tuner` has nothing to find in a fast_dev_run; false elsewhere.
bool is_pointless_to_tune(const Run& run, const char* tuner);

}  // namespace fulmen::trainer
