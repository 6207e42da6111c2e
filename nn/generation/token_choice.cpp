#include <fulmen/nn/generation/token_choice.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace fulmen::nn {

void penalize_repetition(std::span<float> logits, std::span<const int64_t> text, double penalty) {
  if (penalty == 1) return;
  std::vector<bool> seen(logits.size());
  for (int64_t token : text) {
    const auto i = static_cast<size_t>(token);
    if (seen[i]) continue;
    seen[i] = true;
    logits[i] = static_cast<float>(logits[i] > 0 ? logits[i] / penalty : logits[i] * penalty);
  }
}

int64_t most_probable(std::span<const float> logits) {
  for (float logit : logits) FULMEN_CHECK(!std::isnan(logit), "generate: the model gave NaN");
  return std::max_element(logits.begin(), logits.end()) - logits.begin();
}

int64_t draw_token(std::span<const float> logits, const GenerateOptions& options, Generator& stream) {
  const double largest = logits[static_cast<size_t>(most_probable(logits))];
  FULMEN_CHECK(std::isfinite(largest), "generate: no token has a finite logit");
  std::vector<int64_t> tokens(logits.size());
  std::iota(tokens.begin(), tokens.end(), 0);
  const auto weight = [&](int64_t token) {
    return std::exp((logits[static_cast<size_t>(token)] - largest) / options.temperature);
  };
  const bool k_only = options.top_k > 0 && options.top_k < static_cast<int64_t>(tokens.size());
  if (k_only || options.top_p < 1) {
    const auto likelier = [&](int64_t a, int64_t b) {
      const float x = logits[static_cast<size_t>(a)], y = logits[static_cast<size_t>(b)];
      return x != y ? x > y : a < b;
    };
    const auto kept = k_only ? tokens.begin() + options.top_k : tokens.end();
    std::partial_sort(tokens.begin(), kept, tokens.end(), likelier);
    tokens.erase(kept, tokens.end());
  }
  std::vector<double> until(tokens.size());  // weights added up
  double sum = 0;
  for (size_t i = 0; i < tokens.size(); ++i) until[i] = sum += weight(tokens[i]);
  size_t count = tokens.size();
  if (options.top_p < 1) {
    const auto enough = std::lower_bound(until.begin(), until.end(), options.top_p * sum);
    count = std::min(count, static_cast<size_t>(enough - until.begin()) + 1);
  }
  const double uniform = static_cast<double>(stream->random64() >> 11) * 0x1p-53;
  const auto chosen =
      std::upper_bound(until.begin(), until.begin() + static_cast<std::ptrdiff_t>(count), uniform * until[count - 1]);
  return tokens[std::min(static_cast<size_t>(chosen - until.begin()), count - 1)];
}

Generator row_stream(uint64_t seed, int64_t row) {
  // Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators": neighbours become unrelated.
  uint64_t z = seed + (static_cast<uint64_t>(row) + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return Generator(z ^ z >> 31);
}

}  // namespace fulmen::nn
