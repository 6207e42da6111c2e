#pragma once
#include <fulmen/nn/options.h>
#include <fulmen/tensor/tensor.h>

namespace fulmen::nn {

struct EmbeddingOptions {
  EmbeddingOptions(int64_t num_embeddings, int64_t embedding_dim)
      : num_embeddings_(num_embeddings), embedding_dim_(embedding_dim) {}
  FULMEN_ARG(int64_t, num_embeddings);
  FULMEN_ARG(int64_t, embedding_dim);
  /// The row that stays zero and receives no gradient; negative counts from the end.
  FULMEN_ARG(std::optional<int64_t>, padding_idx) = std::nullopt;
  /// Rows that are looked up are scaled down to this norm, in place.
  FULMEN_ARG(std::optional<double>, max_norm) = std::nullopt;
  FULMEN_ARG(double, norm_type) = 2.0;
  FULMEN_ARG(bool, scale_grad_by_freq) = false;
  /// Accepted for source compatibility; gradients are dense.
  FULMEN_ARG(bool, sparse) = false;
  /// Initial values [num_embeddings, embedding_dim]; drawn from N(0, 1) when undefined.
  FULMEN_ARG(Tensor, _weight) = {};
};

struct EmbeddingFromPretrainedOptions {
  FULMEN_ARG(bool, freeze) = true;
  FULMEN_ARG(std::optional<int64_t>, padding_idx) = std::nullopt;
  FULMEN_ARG(std::optional<double>, max_norm) = std::nullopt;
  FULMEN_ARG(double, norm_type) = 2.0;
  FULMEN_ARG(bool, scale_grad_by_freq) = false;
  FULMEN_ARG(bool, sparse) = false;
};

/// How the rows of a bag become one.
using EmbeddingBagMode = OneOf<enumtype::kSum, enumtype::kMean, enumtype::kMax>;

struct EmbeddingBagOptions {
  EmbeddingBagOptions(int64_t num_embeddings, int64_t embedding_dim)
      : num_embeddings_(num_embeddings), embedding_dim_(embedding_dim) {}
  FULMEN_ARG(int64_t, num_embeddings);
  FULMEN_ARG(int64_t, embedding_dim);
  FULMEN_ARG(std::optional<double>, max_norm) = std::nullopt;
  FULMEN_ARG(double, norm_type) = 2.0;
  FULMEN_ARG(bool, scale_grad_by_freq) = false;
  FULMEN_ARG(EmbeddingBagMode, mode) = kMean;
  /// Accepted for source compatibility; gradients are dense.
  FULMEN_ARG(bool, sparse) = false;
  FULMEN_ARG(Tensor, _weight) = {};
  /// The last offset is the end of the last bag.
  FULMEN_ARG(bool, include_last_offset) = false;
  /// The row that counts in no bag.
  FULMEN_ARG(std::optional<int64_t>, padding_idx) = std::nullopt;
};

struct EmbeddingBagFromPretrainedOptions {
  FULMEN_ARG(bool, freeze) = true;
  FULMEN_ARG(std::optional<double>, max_norm) = std::nullopt;
  FULMEN_ARG(double, norm_type) = 2.0;
  FULMEN_ARG(bool, scale_grad_by_freq) = false;
  FULMEN_ARG(EmbeddingBagMode, mode) = kMean;
  FULMEN_ARG(bool, sparse) = false;
  FULMEN_ARG(bool, include_last_offset) = false;
  FULMEN_ARG(std::optional<int64_t>, padding_idx) = std::nullopt;
};

namespace functional {

struct EmbeddingBagFuncOptions {
  FULMEN_ARG(Tensor, offsets) = {};
  FULMEN_ARG(std::optional<double>, max_norm) = std::nullopt;
  FULMEN_ARG(double, norm_type) = 2.0;
  FULMEN_ARG(bool, scale_grad_by_freq) = false;
  FULMEN_ARG(EmbeddingBagMode, mode) = kMean;
  FULMEN_ARG(bool, sparse) = false;
  FULMEN_ARG(Tensor, per_sample_weights) = {};
  FULMEN_ARG(bool, include_last_offset) = false;
  FULMEN_ARG(std::optional<int64_t>, padding_idx) = std::nullopt;
};

struct EmbeddingFuncOptions {
  FULMEN_ARG(std::optional<int64_t>, padding_idx) = std::nullopt;
  FULMEN_ARG(std::optional<double>, max_norm) = std::nullopt;
  FULMEN_ARG(double, norm_type) = 2.0;
  FULMEN_ARG(bool, scale_grad_by_freq) = false;
  FULMEN_ARG(bool, sparse) = false;
};

/// Rows of weight [num, dim] at indices [*] -> [*, dim].
Tensor embedding(const Tensor& input, const Tensor& weight, const EmbeddingFuncOptions& options = {});
/// The sum, mean or maximum of the rows of each bag: [bags, dim]. Bags are the rows of `input` [bags, n], or parts of
/// `input` [n] that begin at `offsets`. With kSum each row may have a weight (per_sample_weights, as input). Empty bags
/// give zeros.
Tensor embedding_bag(const Tensor& input, const Tensor& weight, const EmbeddingBagFuncOptions& options = {});
/// int64 [*] -> int64 [*, num_classes] of zeros and ones; -1 takes the largest label.
Tensor one_hot(const Tensor& labels, int64_t num_classes = -1);

}  // namespace functional
}  // namespace fulmen::nn
