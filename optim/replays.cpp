#include <fulmen/autograd/ops/creation.h>
#include <fulmen/optim/replays.h>
#include <fulmen/tensor/device_memory.h>

#include <algorithm>

namespace fulmen::optim {

const double* live_numbers(const std::vector<OptimEntry>& entries, AnyFunction<void(std::vector<double>&)> next) {
  if (entries.empty()) return nullptr;
  const Device device = entries[0].param->device();
  for (const OptimEntry& entry : entries) {
    FULMEN_CHECK(entry.param->is_cuda() && entry.param->device() == device,
                 "a captured optimizer step needs all parameters on one CUDA device; found ", *entry.param);
  }
  const auto count = static_cast<int64_t>(1 + 2 * entries.size());
  const cuda::OutsideGraph outside;
  const Tensor live = empty({count}, TensorOptions(kDouble).device(device));
  cuda::on_replay([live, count, next, numbers = std::vector<double>()]() mutable {
    numbers.clear();
    next(numbers);
    FULMEN_CHECK(static_cast<int64_t>(numbers.size()) == count,
                 "the parameters of a captured optimizer step, or which of them have gradients, have changed");
    live.copy_(from_blob(numbers.data(), {count}, TensorOptions(kDouble)));
  });
  return live.data_ptr<double>();
}

}  // namespace fulmen::optim
