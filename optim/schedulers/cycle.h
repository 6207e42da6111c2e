#pragma once
#include <fulmen/optim/schedulers/lr_scheduler.h>
#include <fulmen/tensor/any_function.h>

namespace fulmen::optim {

/// The shape of a rise or fall between two learning rates.
enum class Anneal : uint8_t { Cos, Linear };

struct OneCycleLROptions {
  PerGroup max_lr = 0.0;    ///< the highest rate
  int64_t total_steps = 0;  ///< length of the cycle; 0: epochs * steps_per_epoch
  int64_t epochs = 0;
  int64_t steps_per_epoch = 0;
  double pct_start = 0.3;  ///< share of the steps in which the rate rises
  Anneal anneal_strategy = Anneal::Cos;
  bool cycle_momentum = true;  ///< momentum (or beta1) moves the other way
  PerGroup base_momentum = 0.85;
  PerGroup max_momentum = 0.95;
  double div_factor = 25.0;       ///< first rate: max_lr / div_factor
  double final_div_factor = 1e4;  ///< last rate: first rate / final_div_factor
  bool three_phase = false;       ///< fall to the first rate, as fast as it rose, before falling to the last
};

/// Up to a high learning rate, then down to a very low one, over a whole training (Smith and Topin 2018): one step per
/// batch.
class OneCycleLR : public LRScheduler {
 public:
  OneCycleLR(Optimizer& optimizer, const OneCycleLROptions& options);
  OneCycleLR(Optimizer& optimizer, double max_lr, int64_t total_steps);

 protected:
  std::vector<double> get_lrs() override;
  std::vector<double> first_lrs() override { return get_lrs(); }

 private:
  struct Phase {
    double end;               // the step at which it ends
    int from_lr, to_lr;       // 0: first, 1: highest, 2: last
    bool from_high, to_high;  // momentum
  };
  double anneal(double from, double to, double share) const;

  const Anneal anneal_;
  const bool cycle_momentum_;
  int64_t total_steps_;
  std::vector<double> max_lrs_, first_lrs_, last_lrs_, low_momentum_, high_momentum_;
  std::vector<Phase> phases_;
};

struct CyclicLROptions {
  PerGroup base_lr = 0.0;       ///< the lowest rate
  PerGroup max_lr = 0.0;        ///< the highest rate (before scaling)
  int64_t step_size_up = 2000;  ///< steps of the rise
  int64_t step_size_down = 0;   ///< steps of the fall; 0: as many
  enum class Mode : uint8_t {
    Triangular,   ///< every cycle as high
    Triangular2,  ///< every cycle half as high as the one before
    ExpRange,     ///< height gamma ^ step
  } mode = Mode::Triangular;
  double gamma = 1.0;
  AnyFunction<double(double)> scale_fn = {};  ///< instead of `mode`: a factor on the height ...
  bool scale_by_step = false;                 ///< ... of the step; otherwise of the cycle, from 1
  bool cycle_momentum = true;                 ///< momentum (or beta1) moves the other way
  PerGroup base_momentum = 0.8;
  PerGroup max_momentum = 0.9;
};

/// Up and down between two learning rates, over and over (Smith 2017): one step per batch.
class CyclicLR : public LRScheduler {
 public:
  CyclicLR(Optimizer& optimizer, const CyclicLROptions& options);

 protected:
  std::vector<double> get_lrs() override;
  std::vector<double> first_lrs() override { return get_lrs(); }

 private:
  double scale(double cycle) const;

  const CyclicLROptions options_;
  double total_size_, rise_share_;
  std::vector<double> low_lrs_, high_lrs_, low_momentum_, high_momentum_;
};

}  // namespace fulmen::optim
