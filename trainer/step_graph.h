#pragma once
#include <fulmen/tensor/cuda.h>
#include <fulmen/trainer/run.h>

namespace fulmen::trainer {

/// A training step as a CUDA graph (TrainerOptions::cuda_graph): after some ordinary steps one is recorded, from the
/// batch to the new weights, and from then on replayed with one call per batch.
class StepGraph {
 public:
  /// Runs the step on a batch, the optimizer's part included.
  using Step = AnyFunction<StepOutput(const void* batch)>;

  StepGraph(Run& run, ModuleSteps& steps) : run_(run), steps_(steps) {}
  /// False if the batch has to be trained on as usual: it is one of the first, or of another form than the recorded one
  /// (the last, smaller batch of an epoch).
  bool train(const void* batch, const Step& step, StepOutput& output);

 private:
  void record(const Step& step);
  void log_again();

  Run& run_;
  ModuleSteps& steps_;
  cuda::CUDAGraph graph_;
  int64_t seen_ = 0;
  StepOutput output_;                                 ///< lies in the graph's memory
  std::vector<MetricBook::Deferred> logs_;            ///< likewise
  std::vector<std::pair<Tensor, Tensor>> gradients_;  ///< parameters, and where replays leave their gradients
};

}  // namespace fulmen::trainer
