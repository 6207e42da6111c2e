#pragma once
#include <fulmen/tensor/collectives.h>
#include <fulmen/trainer/run.h>

namespace fulmen::trainer {

/// A fit on several CUDA devices (TrainerOptions::devices): every step takes one batch per device, and is the step that
/// one device would take on all their samples together.
///
/// There is one module, and its weights exist once per device: while a device trains on its batch, the module's
/// parameters and buffers are the copies there. The first device has the module's own; gradients are added up there,
/// the optimizer works there, and before each batch the copies are made equal again. So they cannot drift apart,
/// whatever changes the weights, and everything else (hooks, callbacks, checkpoints) sees one module on one device.
class DataParallel {
 public:
  DataParallel(Run& run, ModuleSteps& steps);
  ~DataParallel();
  DataParallel(const DataParallel&) = delete;

  /// Where batches come from.
  void use(const std::shared_ptr<data::LoaderEngine>& loader);
  /// After the first device's batch was fetched: those of the others. At the end of an epoch some may have none.
  void fill();
  /// They begin, after the first device's batch did: on their devices, and counted.
  void enter();
  /// The other devices' part of a step, before the first one's: their gradients of loss / divisor, weighted by their
  /// part of the samples. `fresh` forgets the gradients of batches before.
  void train(int64_t divisor, bool fresh);
  /// The first device's part of the samples; what its loss counts.
  double share() const { return shares_[0]; }
  /// The losses of the other devices.
  const std::vector<Tensor>& losses() const { return losses_; }
  /// After the first device's gradients: logs the means over devices; `reduce` adds up gradients.
  void join(bool reduce);
  /// training_step left a batch out.
  [[noreturn]] void refuse_skip(Device device) const;

 private:
  class Elsewhere;
  void find_weights();
  void copy_weights();
  void train_on(size_t i, int64_t divisor);
  void add_gradients();
  void log_means();

  Run& run_;
  ModuleSteps& steps_;
  cuda::Communicator devices_;
  std::vector<Tensor> weights_;              ///< of the module: parameters and buffers, each once
  std::vector<std::vector<Tensor>> copies_;  ///< of each device but the first
  std::vector<std::vector<Tensor>> gradients_;
  std::vector<BatchSlot> batches_;
  size_t filled_ = 0;           ///< other devices that have a batch
  std::vector<double> shares_;  ///< of the samples; the first device's first
  std::vector<Tensor> losses_;
  std::vector<std::vector<MetricBook::Deferred>> logs_;  ///< of every device
};

}  // namespace fulmen::trainer
