#pragma once
#include <doctest/doctest.h>
#include <fulmen/nn/generation/generate.h>

#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <vector>

// What generate() must find, worked out the slow way.
namespace fulmen::testing {

/// Logits of the token behind a text, prompt included.
using NextLogits = std::function<std::vector<float>(const std::vector<int64_t>& text)>;

inline double log_probability(const std::vector<float>& logits, int64_t token) {
  double sum = 0;
  for (float logit : logits) sum += std::exp(static_cast<double>(logit));
  return logits[static_cast<size_t>(token)] - std::log(sum);
}

/// The best continuation of all there are, by trying each.
class Exhaustive {
 public:
  Exhaustive(NextLogits logits, nn::GenerateOptions options)
      : logits_(std::move(logits)), options_(std::move(options)) {}
  std::vector<int64_t> best_after(const std::vector<int64_t>& prompt) {
    best_ = -std::numeric_limits<double>::infinity();
    text_ = prompt, prompt_ = prompt.size();
    search(0);
    return best_text_;
  }

 private:
  void consider(double sum, size_t length) {
    const double score = sum / std::pow(static_cast<double>(length), options_.length_penalty);
    if (score <= best_) return;
    best_ = score;
    best_text_.assign(text_.begin() + static_cast<std::ptrdiff_t>(prompt_), text_.end());
  }
  void search(double sum) {
    const size_t length = text_.size() - prompt_;
    if (static_cast<int64_t>(length) == options_.max_new_tokens) return consider(sum, length);
    const std::vector<float> logits = logits_(text_);
    for (int64_t token = 0; token < static_cast<int64_t>(logits.size()); ++token) {
      const double next = sum + log_probability(logits, token);
      if (options_.end_token == token) {
        consider(next, length + 1);
        continue;
      }
      text_.push_back(token);
      search(next);
      text_.pop_back();
    }
  }
  NextLogits logits_;
  nn::GenerateOptions options_;
  double best_ = 0;
  size_t prompt_ = 0;
  std::vector<int64_t> text_, best_text_;
};

/// Chi-square of counts against probabilities, and the value that 1 of 10,000 samples exceeds (Wilson and Hilferty).
inline void check_frequencies(const std::map<int64_t, int64_t>& counts, const std::map<int64_t, double>& expected) {
  int64_t total = 0;
  for (const auto& [token, count] : counts) total += count;
  double chi_square = 0;
  for (const auto& entry : counts) CHECK_MESSAGE(expected.count(entry.first) == 1, "token ", entry.first);
  for (const auto& [token, p] : expected) {
    const double wanted = p * static_cast<double>(total),
                 found = counts.count(token) ? static_cast<double>(counts.at(token)) : 0;
    chi_square += (found - wanted) * (found - wanted) / wanted;
  }
  const double freedom = static_cast<double>(expected.size() - 1), z = 3.719;
  const double limit = freedom * std::pow(1 - 2 / (9 * freedom) + z * std::sqrt(2 / (9 * freedom)), 3);
  CHECK(chi_square < limit);
}

}  // namespace fulmen::testing
