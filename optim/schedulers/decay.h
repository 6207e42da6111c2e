#pragma once
#include <fulmen/optim/schedulers/lr_scheduler.h>
#include <fulmen/tensor/any_function.h>

namespace fulmen::optim {

// Schedules that change the learning rate by a factor. Apart from LambdaLR each computes the next rate from the one of
// now, so that several of them can work on one optimizer (ChainedScheduler) and other changes persist.

/// Multiplies by gamma every step_size steps.
class StepLR : public LRScheduler {
 public:
  StepLR(Optimizer& optimizer, int64_t step_size, double gamma = 0.1);

 protected:
  std::vector<double> get_lrs() override;

 private:
  const int64_t step_size_;
  const double gamma_;
};

/// Multiplies by gamma at each milestone; at one that is given twice, twice.
class MultiStepLR : public LRScheduler {
 public:
  MultiStepLR(Optimizer& optimizer, std::vector<int64_t> milestones, double gamma = 0.1);

 protected:
  std::vector<double> get_lrs() override;

 private:
  const std::vector<int64_t> milestones_;
  const double gamma_;
};

/// The rate times `factor` (0 to 1) for the first total_iters steps.
class ConstantLR : public LRScheduler {
 public:
  explicit ConstantLR(Optimizer& optimizer, double factor = 1.0 / 3, int64_t total_iters = 5);

 protected:
  std::vector<double> get_lrs() override;
  std::vector<double> first_lrs() override;

 private:
  const double factor_;
  const int64_t total_iters_;
};

/// The rate times a factor that goes from start_factor (0 excluded, to 1) to end_factor (0 to 1) along a line of
/// total_iters steps: a warm-up.
class LinearLR : public LRScheduler {
 public:
  explicit LinearLR(Optimizer& optimizer, double start_factor = 1.0 / 3, double end_factor = 1.0,
                    int64_t total_iters = 5);

 protected:
  std::vector<double> get_lrs() override;
  std::vector<double> first_lrs() override;

 private:
  const double start_factor_, end_factor_;
  const int64_t total_iters_;
};

/// Multiplies by gamma at every step.
class ExponentialLR : public LRScheduler {
 public:
  ExponentialLR(Optimizer& optimizer, double gamma);

 protected:
  std::vector<double> get_lrs() override;

 private:
  const double gamma_;
};

/// (1 - t / total_iters) ^ power times the rate, and 0 from then on.
class PolynomialLR : public LRScheduler {
 public:
  explicit PolynomialLR(Optimizer& optimizer, int64_t total_iters = 5, double power = 1.0);

 protected:
  std::vector<double> get_lrs() override;

 private:
  const int64_t total_iters_;
  const double power_;
};

/// A factor as a function of the epoch.
using LRLambda = AnyFunction<double(int64_t)>;

/// base_lr * lambda(epoch); one function for all groups, or one each.
class LambdaLR : public LRScheduler {
 public:
  LambdaLR(Optimizer& optimizer, LRLambda lr_lambda);
  LambdaLR(Optimizer& optimizer, std::vector<LRLambda> lr_lambdas);

 protected:
  std::vector<double> get_lrs() override;
  std::vector<double> first_lrs() override { return get_lrs(); }

 private:
  const std::vector<LRLambda> lambdas_;
};

/// Multiplies by lambda(epoch) at every step; one function for all groups, or one each. When a SequentialLR comes to
/// it, it goes on from the rate that the schedule before left, as in Python.
class MultiplicativeLR : public LRScheduler {
 public:
  MultiplicativeLR(Optimizer& optimizer, LRLambda lr_lambda);
  MultiplicativeLR(Optimizer& optimizer, std::vector<LRLambda> lr_lambdas);
  void restart() override;

 protected:
  std::vector<double> get_lrs() override;

 private:
  const std::vector<LRLambda> lambdas_;
};

}  // namespace fulmen::optim
