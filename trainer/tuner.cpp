#include <fulmen/trainer/run.h>
#include <fulmen/trainer/tuner.h>

namespace fulmen::trainer {

void Tuner::run_with(const std::shared_ptr<Callback>& tuner, const AnyFunction<void()>& run) {
  auto& callbacks = trainer_.run_->own_callbacks;
  const Callback& own = *tuner;
  for (const auto& pointer : callbacks) {
    const Callback& callback = *pointer;
    if (typeid(callback) == typeid(own)) {
      throw Error("E016", "Tuner: the trainer has a " + callback.state_key() + " among its callbacks",
                  "leave out one of the two");
    }
  }
  struct Guest {
    std::vector<std::shared_ptr<Callback>>& callbacks;
    const std::shared_ptr<Callback>& tuner;
    ~Guest() { std::erase(callbacks, tuner); }
  };
  callbacks.insert(callbacks.begin(), tuner);
  const Guest guest{callbacks, tuner};
  run();
}

std::optional<LearningRateSweep> Tuner::find_lr(const LearningRateFinderOptions& options,
                                                const AnyFunction<void()>& fit) {
  const auto finder = std::make_shared<LearningRateFinder>(options);
  finder->exits_ = true;
  run_with(finder, fit);
  return finder->optimal_lr();
}

std::optional<int64_t> Tuner::find_batch_size(const BatchSizeFinderOptions& options, const AnyFunction<void()>& run) {
  const auto finder = std::make_shared<BatchSizeFinder>(options);
  finder->exits_ = true;
  run_with(finder, run);
  return finder->optimal_batch_size();
}

}  // namespace fulmen::trainer
