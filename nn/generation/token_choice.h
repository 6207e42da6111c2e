#pragma once
#include <fulmen/nn/generation/generate.h>
#include <fulmen/tensor/generator.h>

#include <span>

// How the next token of one text is chosen.
namespace fulmen::nn {

/// Makes tokens that are in `text` less probable, as GenerateOptions::repetition_penalty says.
void penalize_repetition(std::span<float> logits, std::span<const int64_t> text, double penalty);
/// The token with the largest logit; of equal ones the first. Throws if a logit is NaN.
int64_t most_probable(std::span<const float> logits);
/// Draws a token as temperature (> 0), top_k and top_p say, with one number of `stream`.
int64_t draw_token(std::span<const float> logits, const GenerateOptions& options, Generator& stream);
/// The stream of a row: the same for a row's number whatever else is in the batch.
Generator row_stream(uint64_t seed, int64_t row);

}  // namespace fulmen::nn
