#pragma once
#include <fulmen/nn/generation/language_model.h>
#include <fulmen/tensor/any_function.h>

#include <optional>

namespace fulmen::nn {

struct GenerateOptions {
  int64_t max_new_tokens = 100;
  /// A text ends with this token, which is not part of what generate() returns.
  std::optional<int64_t> end_token{};
  /// 0 takes the most probable token; otherwise tokens are drawn from softmax(logits / temperature).
  double temperature = 0;
  /// Draws among the k most probable tokens only; 0: all.
  int64_t top_k = 0;
  /// Draws among the fewest most probable tokens whose probabilities add up to this at least; 1: all.
  double top_p = 1;
  /// Logits of tokens that the text already has are divided (if positive) or multiplied by this (Keskar et al. 2019).
  double repetition_penalty = 1;
  /// Each row draws from a stream of its own, made of this seed and the row's number: the same text whatever the batch.
  uint64_t seed = 0;
  /// Number of the first row, for texts that are generated in several calls.
  int64_t first_row = 0;
  /// Beam search with so many beams; needs temperature 0. 1: none.
  int64_t beams = 1;
  /// Beam search prefers the text with the highest log-probability / tokens^length_penalty; the end token counts.
  double length_penalty = 1;
  /// Reads every token once. Without, all of the text is read for every token: the same tokens, slowly.
  bool use_cache = true;
  /// Is given every token as it comes, end tokens not; false ends that row. Not with beams.
  AnyFunction<bool(int64_t row, int64_t token)> on_token{};
};

/// Continues texts: what comes behind each prompt, without the prompt. Prompts may differ in length; each must have a
/// token. When the model's context is full, it goes on with the newer half of it. Throws for an empty prompt, a token
/// outside the vocabulary and options that contradict each other.
std::vector<std::vector<int64_t>> generate(LanguageModel& model, const std::vector<std::vector<int64_t>>& prompts,
                                           const GenerateOptions& options = {});

}  // namespace fulmen::nn
