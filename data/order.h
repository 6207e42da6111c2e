#pragma once
#include <fulmen/tensor/generator.h>

#include <vector>

namespace fulmen::data {

/// What PyTorch draws where it seeds one random stream from another: 63 bits.
uint64_t draw_seed(GeneratorImpl& stream);
/// The numbers 0..n-1 in random order: PyTorch's randperm, draw for draw.
std::vector<int64_t> random_permutation(int64_t n, GeneratorImpl& stream);

}  // namespace fulmen::data
