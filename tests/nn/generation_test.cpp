#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/nn/generation/generate.h>
#include <fulmen/nn/generation/token_choice.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "tests/message_of.h"
#include "tests/nn/generation_checks.h"

using namespace fulmen;
using namespace fulmen::nn;
using namespace fulmen::testing;

namespace {

using Texts = std::vector<std::vector<int64_t>>;

/// Logits that depend on the last two tokens in a way that nothing else tells: a model whose every answer is known.
class TableModel final : public LanguageModel {
 public:
  TableModel(int64_t vocabulary, uint64_t seed, int64_t context = 0) : vocabulary_(vocabulary), context_(context) {
    Generator random(seed);
    for (int64_t i = 0; i < vocabulary * (vocabulary + 1) * vocabulary; ++i) {
      table_.push_back(static_cast<float>(random->random() % 4000) / 1000);
    }
  }
  std::span<const float> logits(int64_t before, int64_t last) const {  // before = vocabulary: there is none
    return std::span(table_).subspan(static_cast<size_t>((last * (vocabulary_ + 1) + before) * vocabulary_),
                                     static_cast<size_t>(vocabulary_));
  }
  int64_t vocabulary_size() const override { return vocabulary_; }
  int64_t context_size() const override { return context_; }
  std::unique_ptr<Memory> make_memory(const std::vector<int64_t>& padding, int64_t rows, int64_t) const override {
    auto memory = std::make_unique<Read>();
    memory->texts.resize(static_cast<size_t>(rows));
    memory->padding = padding.empty() ? std::vector<int64_t>(static_cast<size_t>(rows)) : padding;
    return memory;
  }
  Tensor read(const Tensor& tokens, Memory& memory) override {
    auto& seen = static_cast<Read&>(memory);
    Tensor all = empty({tokens.size(0), vocabulary_});
    for (int64_t row = 0; row < tokens.size(0); ++row) {
      auto& text = seen.texts[static_cast<size_t>(row)];
      for (int64_t i = 0; i < tokens.size(1); ++i) text.push_back(tokens.data_ptr<int64_t>()[row * tokens.size(1) + i]);
      const auto real = static_cast<int64_t>(text.size()) - seen.padding[static_cast<size_t>(row)];
      CHECK(real >= 1);
      if (context_ > 0) CHECK(static_cast<int64_t>(text.size()) <= context_);
      const auto next = logits(real > 1 ? text[text.size() - 2] : vocabulary_, text.back());
      std::copy(next.begin(), next.end(), all.data_ptr<float>() + row * vocabulary_);
    }
    tokens_read += tokens.size(1);
    return all;
  }
  int64_t tokens_read = 0;

 private:
  struct Read final : Memory {
    Texts texts;
    std::vector<int64_t> padding;
    int64_t length() const override { return static_cast<int64_t>(texts.front().size()); }
    void select_rows(const Tensor& rows) override {
      Texts chosen;
      std::vector<int64_t> chosen_padding;
      for (int64_t i = 0; i < rows.numel(); ++i) {
        chosen.push_back(texts[static_cast<size_t>(rows.data_ptr<int64_t>()[i])]);
        chosen_padding.push_back(padding[static_cast<size_t>(rows.data_ptr<int64_t>()[i])]);
      }
      texts = chosen, padding = chosen_padding;
    }
  };
  int64_t vocabulary_, context_;
  std::vector<float> table_;
};

/// The logits of a text's next token as Exhaustive wants them.
NextLogits logits_of(const TableModel& model) {
  return [&model](const std::vector<int64_t>& text) {
    const auto next = model.logits(text.size() > 1 ? text[text.size() - 2] : model.vocabulary_size(), text.back());
    return std::vector<float>(next.begin(), next.end());
  };
}

}  // namespace

TEST_SUITE("nn") {
  TEST_CASE("generate: greedy takes the most probable token, whatever else is in the batch") {
    TableModel model(7, 1);
    const Texts prompts = {{3}, {1, 2, 3, 4}, {5, 6}};
    const Texts texts = generate(model, prompts, {.max_new_tokens = 12});
    for (size_t row = 0; row < prompts.size(); ++row) {
      std::vector<int64_t> text = prompts[row];
      for (int64_t token : texts[row]) {
        CHECK(token == most_probable(model.logits(text.size() > 1 ? text[text.size() - 2] : 7, text.back())));
        text.push_back(token);
      }
      CHECK(texts[row].size() == 12);
      CHECK(generate(model, {prompts[row]}, {.max_new_tokens = 12})[0] == texts[row]);
    }
    CHECK(generate(model, {}, {}).empty());
    CHECK(generate(model, prompts, {.max_new_tokens = 0}) == Texts(3));
  }

  TEST_CASE("generate: the cache reads every token once, and changes nothing") {
    TableModel cached(9, 2), plain(9, 2);
    const GenerateOptions options{.max_new_tokens = 20, .temperature = 1, .seed = 4};
    GenerateOptions slow = options;
    slow.use_cache = false;
    CHECK(generate(cached, {{1, 2, 3}, {4}}, options) == generate(plain, {{1, 2, 3}, {4}}, slow));
    CHECK(cached.tokens_read == 3 + 19);
    CHECK(plain.tokens_read > 200);
    // A full context is read again from its newer half: the same with and without cache.
    TableModel narrow(9, 2, 8), narrow_plain(9, 2, 8);
    const Texts prompts = {{1, 2, 3, 4, 5, 6, 7, 8, 1, 2}, {4}};
    const Texts texts = generate(narrow, prompts, options);
    CHECK(texts == generate(narrow_plain, prompts, slow));
    CHECK(texts[0] == generate(cached, prompts, options)[0]);  // this model looks back on two tokens only
    for (int64_t beams : {1, 3}) {
      GenerateOptions search{.max_new_tokens = 15, .beams = beams}, slow_search = search;
      slow_search.use_cache = false;
      CHECK(generate(narrow, prompts, search) == generate(narrow_plain, prompts, slow_search));
    }
  }

  TEST_CASE("generate: beam search with enough beams finds what exhaustive search finds") {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      TableModel model(4, seed);
      for (double penalty : {0.0, 1.0, 2.0}) {
        for (std::optional<int64_t> end : {std::optional<int64_t>(), std::optional<int64_t>(2)}) {
          const GenerateOptions options{.max_new_tokens = 4, .end_token = end, .beams = 64, .length_penalty = penalty};
          const std::vector<int64_t> best = Exhaustive(logits_of(model), options).best_after({1});
          CHECK(generate(model, {{1}}, options)[0] == best);
          CHECK(generate(model, {{3, 1, 1}, {1}}, options)[1] == best);
        }
      }
    }
  }

  TEST_CASE("generate: one beam more is never worse here, and the end token ends a beam") {
    TableModel model(6, 3);
    const auto score = [&](const std::vector<int64_t>& text) {
      double sum = 0;
      std::vector<int64_t> all = {0};
      for (int64_t token : text) sum += log_probability(logits_of(model)(all), token), all.push_back(token);
      return sum;
    };
    const auto greedy = generate(model, {{0}}, {.max_new_tokens = 8})[0];
    const auto beam = generate(model, {{0}}, {.max_new_tokens = 8, .beams = 6, .length_penalty = 0})[0];
    CHECK(score(beam) >= score(greedy));
    for (const auto& text : generate(model, {{0}, {1}, {2, 3}}, {.max_new_tokens = 8, .end_token = 5, .beams = 3})) {
      for (int64_t token : text) CHECK(token != 5);
    }
  }

  TEST_CASE("generate: tokens are drawn as often as the distribution says") {
    TableModel model(8, 5);
    const auto logits = model.logits(8, 0);
    struct Case {
      double temperature;
      int64_t top_k;
      double top_p, penalty;
    };
    for (const Case& c : {Case{1, 0, 1, 1}, Case{0.5, 0, 1, 1}, Case{2, 3, 1, 1}, Case{1, 0, 0.7, 1},
                          Case{1.5, 5, 0.8, 1}, Case{1, 0, 1, 3}, Case{1, 8, 1, 1}}) {
      std::vector<std::pair<double, int64_t>> sorted;
      for (int64_t token = 0; token < 8; ++token) {
        double logit = logits[static_cast<size_t>(token)];
        if (token == 0) logit = logit > 0 ? logit / c.penalty : logit * c.penalty;  // the prompt has it
        sorted.push_back({std::exp(logit / c.temperature), token});
      }
      std::sort(sorted.rbegin(), sorted.rend());
      if (c.top_k > 0) sorted.resize(static_cast<size_t>(c.top_k));
      double sum = 0, kept = 0;
      for (const auto& [weight, token] : sorted) sum += weight;
      std::map<int64_t, double> expected;
      for (const auto& [weight, token] : sorted) {
        if (kept >= c.top_p * sum) break;
        expected[token] = weight;
        kept += weight;
      }
      for (auto& [token, weight] : expected) weight /= kept;
      std::map<int64_t, int64_t> counts;
      const Texts prompts(20'000, {0});
      for (const auto& text : generate(model, prompts,
                                       {.max_new_tokens = 1,
                                       .temperature = c.temperature,
                                       .top_k = c.top_k,
                                       .top_p = c.top_p,
                                       .repetition_penalty = c.penalty,
                                       .seed = 11})) {
        ++counts[text[0]];
      }
      check_frequencies(counts, expected);
    }
  }

  TEST_CASE("generate: the same seed gives the same text for any batch size") {
    TableModel model(11, 6);
    const Texts prompts = {{1}, {2, 3}, {4, 5, 6}, {7}, {1}};
    GenerateOptions options{.max_new_tokens = 15, .end_token = 10, .temperature = 1.3, .top_p = 0.9, .seed = 42};
    const Texts together = generate(model, prompts, options);
    Texts apart;
    for (size_t row = 0; row < prompts.size(); ++row) {
      options.first_row = static_cast<int64_t>(row);
      apart.push_back(generate(model, {prompts[row]}, options)[0]);
    }
    CHECK(together == apart);
    CHECK(together[0] != together[4]);  // equal prompts, rows of their own
    options.first_row = 0;
    CHECK(generate(model, prompts, options) == together);
    options.seed = 43;
    CHECK(generate(model, prompts, options) != together);
  }

  TEST_CASE("generate: tokens come as they are made, and a listener may stop them") {
    TableModel model(7, 8);
    Texts heard(2);
    GenerateOptions options{.max_new_tokens = 9, .temperature = 1, .seed = 1};
    options.on_token = [&](int64_t row, int64_t token) {
      heard[static_cast<size_t>(row)].push_back(token);
      return row == 0 || heard[1].size() < 4;
    };
    const Texts texts = generate(model, {{1}, {2, 3}}, options);
    CHECK(texts == heard);
    CHECK(texts[0].size() == 9);
    CHECK(texts[1].size() == 4);
  }

  TEST_CASE("generate: what it refuses") {
    TableModel model(7, 8);
    const auto message = [&](const GenerateOptions& options, const Texts& prompts = {{1}}) {
      return message_of([&] { generate(model, prompts, options); });
    };
    CHECK(mentions(message({}, {{1}, {}}), "prompt 1 is empty"));
    CHECK(mentions(message({}, {{1, 7}}), "prompt 0 has the token 7; the tokens are 0..6"));
    CHECK(mentions(message({.temperature = -1}), "temperature is -1"));
    CHECK(mentions(message({.top_p = 0}), "top_p is 0"));
    CHECK(mentions(message({.top_k = -2}), "top_k is -2"));
    CHECK(mentions(message({.repetition_penalty = 0}), "repetition_penalty is 0"));
    CHECK(mentions(message({.temperature = 1, .beams = 2}), "temperature must be 0 with beams = 2"));
    CHECK(mentions(message({.beams = 0}), "beams is 0"));
    CHECK(
        mentions(message({.beams = 2, .on_token = [](int64_t, int64_t) { return true; }}), "on_token needs beams = 1"));
    const float nan[] = {1, std::nanf(""), 2};
    CHECK(mentions(message_of([&] { most_probable(nan); }), "the model gave NaN"));
  }
}
