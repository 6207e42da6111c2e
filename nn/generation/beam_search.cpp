#include <fulmen/nn/generation/beam_search.h>
#include <fulmen/nn/generation/token_choice.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace fulmen::nn {

namespace {

constexpr double impossible = -std::numeric_limits<double>::infinity();

struct Hypothesis {
  double score;
  std::vector<int64_t> tokens;
};

/// Where a beam may go: from beam `from` of the same prompt, by `token`.
struct Candidate {
  double log_probability;
  int64_t from, token;
  bool operator<(const Candidate& other) const {  // the best first
    if (log_probability != other.log_probability) return log_probability > other.log_probability;
    return from != other.from ? from < other.from : token < other.token;
  }
};

/// The beams of one prompt.
class Beams {
 public:
  Beams(const GenerateOptions& options) : options_(options), sums_(static_cast<size_t>(options.beams), impossible) {
    sums_[0] = 0;  // all begin alike, so one is enough
    texts_.resize(sums_.size());
  }

  void add_candidates(int64_t beam, std::span<const float> logits) {
    const double sum = sums_[static_cast<size_t>(beam)];
    if (sum == impossible) return;
    const double largest = logits[static_cast<size_t>(most_probable(logits))];
    double total = 0;
    for (float logit : logits) total += std::exp(logit - largest);
    const double log_total = largest + std::log(total);
    for (size_t token = 0; token < logits.size(); ++token) {
      if (logits[token] == impossible) continue;
      candidates_.push_back({sum + logits[token] - log_total, beam, static_cast<int64_t>(token)});
    }
    // Half of the best may end their texts, so twice as many are enough.
    keep_best(sums_.size() * 2);
  }

  /// Goes on with the best; gives which beam each comes from and by which token.
  std::vector<Candidate> advance() {
    std::vector<Candidate> next;
    for (size_t i = 0; i < candidates_.size() && next.size() < sums_.size(); ++i) {
      const Candidate& candidate = candidates_[i];
      if (options_.end_token != candidate.token) {
        next.push_back(candidate);
      } else if (i < sums_.size()) {
        finish(candidate.log_probability, texts_[static_cast<size_t>(candidate.from)], 1);
      }
    }
    candidates_.clear();
    next.resize(sums_.size(), {impossible, 0, 0});
    std::vector<std::vector<int64_t>> texts;
    for (size_t beam = 0; beam < next.size(); ++beam) {
      sums_[beam] = next[beam].log_probability;
      texts.push_back(texts_[static_cast<size_t>(next[beam].from)]);
      texts.back().push_back(next[beam].token);
    }
    texts_ = std::move(texts);
    return next;
  }

  /// Whether no text that is still growing can become better than what is finished.
  bool done() const {
    if (finished_.size() < sums_.size()) return sums_[0] == impossible;
    const auto now = static_cast<double>(texts_[0].size());
    const double length = options_.length_penalty > 0 ? static_cast<double>(options_.max_new_tokens) : now + 1;
    return score(sums_[0], length) <= finished_.back().score;
  }

  std::vector<int64_t> best() {
    for (size_t beam = 0; beam < sums_.size() && !texts_[beam].empty(); ++beam) {
      if (sums_[beam] != impossible) finish(sums_[beam], texts_[beam], 0);
    }
    return finished_.empty() ? std::vector<int64_t>() : finished_.front().tokens;
  }

 private:
  double score(double log_probability, double length) const {
    return log_probability / std::pow(length, options_.length_penalty);
  }
  /// `end`: how many end tokens the text has besides its tokens.
  void finish(double log_probability, const std::vector<int64_t>& tokens, int end) {
    const double value = score(log_probability, static_cast<double>(tokens.size()) + end);
    const auto place = std::find_if(finished_.begin(), finished_.end(), [&](const auto& h) { return h.score < value; });
    finished_.insert(place, {value, tokens});
    if (finished_.size() > sums_.size()) finished_.pop_back();
  }
  void keep_best(size_t count) {
    count = std::min(count, candidates_.size());
    std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(count), candidates_.end());
    candidates_.resize(count);
  }

  const GenerateOptions& options_;
  std::vector<double> sums_;                 // log-probability of each beam
  std::vector<std::vector<int64_t>> texts_;  // what each beam has added
  std::vector<Candidate> candidates_;        // the best first
  std::vector<Hypothesis> finished_;         // the best first, at most as many as beams
};

}  // namespace

std::vector<std::vector<int64_t>> beam_search(LanguageModel& model, const std::vector<std::vector<int64_t>>& prompts,
                                              const GenerateOptions& options) {
  std::vector<std::vector<int64_t>> starts;
  std::vector<Beams> all;
  for (const auto& prompt : prompts) {
    starts.insert(starts.end(), static_cast<size_t>(options.beams), prompt);
    all.emplace_back(options);
  }
  Columns columns(model, starts, options.max_new_tokens, options.use_cache);
  const auto vocabulary = static_cast<size_t>(model.vocabulary_size());
  for (int64_t step = 0; step < options.max_new_tokens; ++step) {
    Tensor logits = columns.next_logits();
    auto* row = logits.data_ptr<float>();
    std::vector<int64_t> parents, tokens;
    bool going = false;
    for (Beams& beams : all) {
      const auto first = static_cast<int64_t>(parents.size());
      const bool done = beams.done();
      for (int64_t beam = 0; beam < options.beams; ++beam, row += vocabulary) {
        const std::span<float> next(row, vocabulary);
        if (done) continue;
        penalize_repetition(next, columns.text(static_cast<size_t>(first + beam)), options.repetition_penalty);
        beams.add_candidates(beam, next);
      }
      going = going || !done;
      const std::vector<Candidate> chosen =
          done ? std::vector<Candidate>(static_cast<size_t>(options.beams), {0, 0, 0}) : beams.advance();
      for (const Candidate& candidate : chosen) {
        parents.push_back(first + candidate.from);
        tokens.push_back(candidate.token);
      }
    }
    if (!going) break;
    columns.select(parents);
    columns.append(tokens);
  }
  std::vector<std::vector<int64_t>> texts;
  for (Beams& beams : all) texts.push_back(beams.best());
  return texts;
}

}  // namespace fulmen::nn
