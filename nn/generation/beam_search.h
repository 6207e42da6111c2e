#pragma once
#include <fulmen/nn/generation/columns.h>

namespace fulmen::nn {

/// The continuation of each prompt with the best score that beam search finds.
std::vector<std::vector<int64_t>> beam_search(LanguageModel& model, const std::vector<std::vector<int64_t>>& prompts,
                                              const GenerateOptions& options);

}  // namespace fulmen::nn
