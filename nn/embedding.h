#pragma once
#include <fulmen/nn/any_module.h>
#include <fulmen/nn/cloneable.h>
#include <fulmen/nn/functional/embedding.h>

namespace fulmen::nn {

/// A table of vectors: int64 indices [*] -> rows [*, embedding_dim].
class EmbeddingImpl : public Cloneable<EmbeddingImpl> {
 public:
  EmbeddingImpl(int64_t num_embeddings, int64_t embedding_dim);
  explicit EmbeddingImpl(EmbeddingOptions options_);
  void reset() override;
  void reset_parameters();
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(const Tensor& indices);

  EmbeddingOptions options;
  Tensor weight;  ///< [num_embeddings, embedding_dim], N(0, 1)
};

class Embedding : public ModuleHolder<EmbeddingImpl> {
 public:
  using ModuleHolder<EmbeddingImpl>::ModuleHolder;
  using Impl [[maybe_unused]] = EmbeddingImpl;
  /// A table that starts as `embeddings` [num, dim], frozen unless the options say otherwise.
  static Embedding from_pretrained(const Tensor& embeddings, const EmbeddingFromPretrainedOptions& options = {});
};

}  // namespace fulmen::nn
