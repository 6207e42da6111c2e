#pragma once
#include <fulmen/autograd/ops/optim.h>
#include <fulmen/tensor/any_function.h>

#include <vector>

namespace fulmen::optim {

/// For a step that is being captured in a CUDA graph: memory on the device for the numbers that change from replay to
/// replay (AdamStep::live). Before every replay `next` gives them: the learning rate, then two numbers for every entry.
const double* live_numbers(const std::vector<OptimEntry>& entries, AnyFunction<void(std::vector<double>&)> next);

}  // namespace fulmen::optim
