#pragma once
#include <fulmen/tensor/any_function.h>
#include <fulmen/tensor/tensor.h>

#include <vector>

// What several CUDA devices of one process do together, through NVIDIA's NCCL. The library is opened on first use.
namespace fulmen::cuda {

/// How the values of several devices become one.
enum class ReduceOp : uint8_t { Sum, Product, Max, Min, Average };

/// Devices that exchange tensors. Every call takes one tensor per device, tensors[i] on devices()[i], contiguous, of
/// one dtype and number of elements; work is enqueued on the current stream of each device, after what is there
/// already. Results are written in place, outside of autograd. For the same devices they are the same bits every time.
///
///     cuda::Communicator devices({0, 1});
///     devices.all_reduce({a, b});  // both hold the sum
class Communicator {
 public:
  /// Throws E018 if there is no such device, or if libnccl cannot be loaded.
  explicit Communicator(std::vector<int> devices);
  ~Communicator();
  Communicator(const Communicator&) = delete;

  const std::vector<int>& devices() const { return devices_; }
  size_t size() const { return devices_.size(); }

  /// Every tensor becomes the sum (product, ...) of all.
  void all_reduce(TensorList tensors, ReduceOp op = ReduceOp::Sum) const;
  /// tensors[root] becomes the sum (product, ...) of all; the others stay.
  void reduce(TensorList tensors, ReduceOp op = ReduceOp::Sum, size_t root = 0) const;
  /// Every tensor becomes a copy of tensors[root].
  void broadcast(TensorList tensors, size_t root = 0) const;
  /// Every tensor of `gathered` becomes all `parts`, one after the other.
  void all_gather(TensorList gathered, TensorList parts) const;
  /// parts[i] becomes the i-th part, of size() equal ones, of the sum (product, ...) of `whole`.
  void reduce_scatter(TensorList parts, TensorList whole, ReduceOp op = ReduceOp::Sum) const;

  /// Runs `calls` and does all that they ask of this communicator at once, which takes less time for many small
  /// tensors. What they write may be used only afterwards.
  void together(const AnyFunction<void()>& calls) const;

 private:
  struct Call;
  void run(const Call& call) const;

  std::vector<int> devices_;
  std::vector<void*> handles_;  ///< ncclComm_t of each device
};

}  // namespace fulmen::cuda
