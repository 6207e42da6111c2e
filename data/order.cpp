#include <fulmen/data/order.h>

#include <limits>

namespace fulmen::data {

uint64_t draw_seed(GeneratorImpl& stream) {
  return stream.random64() & static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
}

// Fisher and Yates, from the front. 32-bit draws are PyTorch's as long as their remainder is nearly uniform.
std::vector<int64_t> random_permutation(int64_t n, GeneratorImpl& stream) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  const bool small = n < static_cast<int64_t>(std::numeric_limits<uint32_t>::max() / 20);
  for (size_t i = 0; i + 1 < order.size(); ++i) {
    uint64_t left = order.size() - i, draw = small ? stream.random() : stream.random64();
    std::swap(order[i], order[i + draw % left]);
  }
  return order;
}

}  // namespace fulmen::data
