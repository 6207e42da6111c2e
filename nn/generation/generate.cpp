#include <fulmen/autograd/grad_mode.h>
#include <fulmen/nn/generation/beam_search.h>
#include <fulmen/nn/generation/generate.h>
#include <fulmen/nn/generation/token_choice.h>

#include <algorithm>
#include <cmath>

namespace fulmen::nn {

namespace {

void check(const LanguageModel& model, const std::vector<std::vector<int64_t>>& prompts, const GenerateOptions& o) {
  FULMEN_CHECK(o.max_new_tokens >= 0, "generate: max_new_tokens is ", o.max_new_tokens, "; expected 0 or more");
  FULMEN_CHECK(o.temperature >= 0 && std::isfinite(o.temperature), "generate: temperature is ", o.temperature,
               "; expected 0 (the most probable token) or a positive number");
  FULMEN_CHECK(o.top_k >= 0, "generate: top_k is ", o.top_k, "; expected 0 (all) or more");
  FULMEN_CHECK(o.top_p > 0 && o.top_p <= 1, "generate: top_p is ", o.top_p, "; expected above 0 and at most 1");
  FULMEN_CHECK(o.repetition_penalty > 0 && std::isfinite(o.repetition_penalty), "generate: repetition_penalty is ",
               o.repetition_penalty, "; expected a positive number, 1 for none");
  FULMEN_CHECK(o.beams >= 1, "generate: beams is ", o.beams, "; expected 1 or more");
  FULMEN_CHECK(o.beams == 1 || o.temperature == 0,
               "generate: beam search takes the most probable texts, so temperature must be 0 with beams = ", o.beams);
  FULMEN_CHECK(o.beams == 1 || !o.on_token,
               "generate: on_token needs beams = 1, as beams change what they said before");
  for (size_t row = 0; row < prompts.size(); ++row) {
    FULMEN_CHECK(!prompts[row].empty(), "generate: prompt ", row, " is empty; give it a token to begin with");
    for (int64_t token : prompts[row]) {
      FULMEN_CHECK_INDEX(token >= 0 && token < model.vocabulary_size(), "generate: prompt ", row, " has the token ",
                         token, "; the tokens are 0..", model.vocabulary_size() - 1);
    }
  }
}

}  // namespace

std::vector<std::vector<int64_t>> generate(LanguageModel& model, const std::vector<std::vector<int64_t>>& prompts,
                                           const GenerateOptions& options) {
  check(model, prompts, options);
  if (prompts.empty()) return {};
  NoGradGuard no_grad;
  if (options.beams > 1) return beam_search(model, prompts, options);
  Columns columns(model, prompts, options.max_new_tokens, options.use_cache);
  std::vector<Generator> streams;
  for (size_t row = 0; row < prompts.size(); ++row) {
    streams.push_back(row_stream(options.seed, options.first_row + static_cast<int64_t>(row)));
  }
  std::vector<std::vector<int64_t>> texts(prompts.size());
  std::vector<bool> ended(prompts.size());
  std::vector<int64_t> tokens(prompts.size());
  const auto vocabulary = static_cast<size_t>(model.vocabulary_size());
  for (int64_t step = 0; step < options.max_new_tokens; ++step) {
    Tensor logits = columns.next_logits();
    for (size_t row = 0; row < prompts.size(); ++row) {
      if (ended[row]) continue;
      const std::span<float> next(logits.data_ptr<float>() + row * vocabulary, vocabulary);
      penalize_repetition(next, columns.text(row), options.repetition_penalty);
      tokens[row] = options.temperature == 0 ? most_probable(next) : draw_token(next, options, streams[row]);
      if (options.end_token == tokens[row]) {
        ended[row] = true;
        continue;
      }
      texts[row].push_back(tokens[row]);
      if (options.on_token && !options.on_token(options.first_row + static_cast<int64_t>(row), tokens[row])) {
        ended[row] = true;
      }
    }
    if (std::all_of(ended.begin(), ended.end(), [](bool end) { return end; })) break;
    columns.append(tokens);
  }
  return texts;
}

}  // namespace fulmen::nn
