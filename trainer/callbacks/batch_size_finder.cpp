#include <fulmen/tensor/error.h>
#include <fulmen/tensor/warning.h>
#include <fulmen/trainer/callbacks/batch_size_finder.h>
#include <fulmen/trainer/trial.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <string_view>

namespace fulmen::trainer {
namespace {

bool says_out_of_memory(const std::exception& exception) {
  return dynamic_cast<const std::bad_alloc*>(&exception) ||
         std::string_view(exception.what()).find("out of memory") != std::string_view::npos;
}

}  // namespace

BatchSizeFinder::BatchSizeFinder(BatchSizeFinderOptions options) : options_(std::move(options)) {
  const auto check = [](bool good, const char* what, const char* fix) {
    if (!good) throw Error("E016", std::string("BatchSizeFinder: ") + what, fix);
  };
  check(options_.margin >= 0 && options_.margin < 1, "margin is out of range", "a part from 0 to less than 1");
  check(options_.steps_per_trial >= 1, "steps_per_trial is less than 1", "give at least 1");
  check(options_.init_val >= 1, "init_val is less than 1", "give at least 1");
  check(options_.max_trials >= 1, "max_trials is less than 1", "give at least 1");
}

/// One search: the sizes that are tried, in Lightning's order.
class BatchSizeFinder::Search {
 public:
  Search(const BatchSizeFinderOptions& options, Run& run, Trial& trial) : o_(options), run_(run), trial_(trial) {}

  int64_t run() {
    const int64_t first = grow(o_.init_val);
    return o_.mode == BatchSizeSearch::Power ? double_until_full(first) : bisect(first);
  }

 private:
  double current() const {
    if (const auto number = run_.steps->number(o_.batch_arg_name)) return *number;
    return *get_number(*run_.requests->data_module_fields, o_.batch_arg_name);
  }
  void write(int64_t size) {
    const auto value = static_cast<double>(size);
    run_.steps->set_number(o_.batch_arg_name, value);
    if (run_.requests->data_module_fields) set_number(*run_.requests->data_module_fields, o_.batch_arg_name, value);
  }
  /// The next size to try: the one that is wanted, unless a batch holds all samples already.
  int64_t grow(int64_t wanted) {
    const auto now = static_cast<int64_t>(current());
    const std::optional<int64_t> samples = trial_.samples();
    changed_ = false;
    return samples && now >= *samples ? now : set(wanted);
  }
  int64_t set(int64_t wanted) {
    wanted = std::min(wanted, o_.max_val);
    if (wanted < 1) {
      throw Error("E016", "BatchSizeFinder: not even a batch of one sample fits into memory", "use a smaller model");
    }
    changed_ = wanted != static_cast<int64_t>(current());
    write(wanted);
    return wanted;
  }

  /// Whether some steps with this size fit into memory.
  bool fits() {
    run_.progress = Progress();
    trial_.drop_loaders();
    try {
      if (run_.stage == Stage::Fit) {
        trial_.train();
      } else {
        trial_.evaluate(o_.steps_per_trial);
      }
      return true;
    } catch (const std::exception& exception) {
      run_.in_batch = run_.validating = false;
      if (!says_out_of_memory(exception)) throw;
      return false;
    }
  }

  int64_t double_until_full(int64_t size) {
    bool any_fitted = false;
    for (int64_t trial = 1; trial <= o_.max_trials && size < o_.max_val; ++trial) {
      if (!fits()) {
        size = set(size / 2);
        if (any_fitted) break;
        continue;
      }
      if (trial == o_.max_trials) break;
      size = grow(size * 2);
      if (!changed_) break;
      any_fitted = true;
    }
    return size;
  }

  int64_t bisect(int64_t size) {
    int64_t low = 1, high = 0;
    bool any_fitted = false;
    for (int64_t trials = 0; size < o_.max_val;) {
      if (fits()) {
        any_fitted = true;
        if (++trials >= o_.max_trials) break;
        low = size;
        if (high > 0 && high - low <= 1) break;
        size = grow(high > 0 ? (high + low) / 2 : size * 2);
        if (!changed_) break;
      } else {
        high = size;
        if (high <= 1) set(0);  // throws
        size = set((high + low) / 2);
        if (high - low > 1) continue;
        if (!any_fitted && !fits()) set(0);  // throws
        break;
      }
    }
    const auto reduced = std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(size) * (1 - o_.margin)));
    if (reduced != size) write(reduced);
    return reduced;
  }

  const BatchSizeFinderOptions& o_;
  Run& run_;
  Trial& trial_;
  bool changed_ = false;
};

void BatchSizeFinder::scale_batch_size(Trainer& trainer) {
  Run& run = *trainer.run_;
  found_.reset();
  if (is_pointless_to_tune(run, "BatchSizeFinder")) {
    if (exits_) throw TunerExit();
    return;
  }
  const LoaderRequests& requests = *run.requests;
  if (!requests.served) {
    throw Error("E016", "BatchSizeFinder: the loaders were passed by hand, and have their batch size already",
                "serve them from the model or a DataModule, whose " + options_.batch_arg_name + " it can set");
  }
  if (!run.steps->number(options_.batch_arg_name) &&
      !(requests.data_module_fields && get_number(*requests.data_module_fields, options_.batch_arg_name))) {
    throw Error("E014",
                "BatchSizeFinder: neither the model nor the data module has a number " + options_.batch_arg_name,
                "make it a public member of that name, or one of the hyperparameters in a public member `hp`");
  }
  Trial trial(run);
  trial.run([&] {
    run.options.limit_train_batches = 1.0;
    run.options.limit_val_batches = options_.steps_per_trial;
    run.options.max_steps = options_.steps_per_trial;
    found_ = Search(options_, run, trial).run();
  });
  if (exits_) throw TunerExit();
}

}  // namespace fulmen::trainer
