#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/nn/embedding.h>
#include <fulmen/nn/init.h>
#include <fulmen/nn/print.h>

namespace fulmen::nn {

EmbeddingImpl::EmbeddingImpl(int64_t num_embeddings, int64_t embedding_dim)
    : EmbeddingImpl(EmbeddingOptions(num_embeddings, embedding_dim)) {}
EmbeddingImpl::EmbeddingImpl(EmbeddingOptions options_) : options(std::move(options_)) { EmbeddingImpl::reset(); }

void EmbeddingImpl::reset() {
  const int64_t rows = options.num_embeddings();
  if (std::optional<int64_t>& padding = options.padding_idx()) {
    FULMEN_CHECK(*padding >= -rows && *padding < rows, "Embedding: padding_idx ", *padding, " must be within the ",
                 rows, " embeddings");
    if (*padding < 0) *padding += rows;
  }
  if (options._weight().defined()) {
    FULMEN_CHECK(options._weight().sizes() == IntArrayRef({rows, options.embedding_dim()}),
                 "Embedding: shape of the given weight ", options._weight().sizes(),
                 " does not match num_embeddings and embedding_dim [", rows, ", ", options.embedding_dim(), "]");
    weight = register_parameter("weight", options._weight());
    return;
  }
  weight = register_parameter("weight", empty({rows, options.embedding_dim()}));
  reset_parameters();
}

void EmbeddingImpl::reset_parameters() {
  init::normal_(weight);
  if (!options.padding_idx()) return;
  NoGradGuard no_grad;
  weight.select(0, *options.padding_idx()).zero_();
}

void EmbeddingImpl::pretty_print(std::ostream& stream) const {
  Printed printed(stream, "Embedding");
  printed.arg("num_embeddings", options.num_embeddings()).arg("embedding_dim", options.embedding_dim());
  if (options.padding_idx()) printed.arg("padding_idx", *options.padding_idx());
  if (options.max_norm()) printed.arg("max_norm", *options.max_norm());
  printed.arg_unless("norm_type", options.norm_type(), 2.0)
      .arg_unless("scale_grad_by_freq", options.scale_grad_by_freq(), false)
      .arg_unless("sparse", options.sparse(), false);
}

Tensor EmbeddingImpl::forward(const Tensor& indices) {
  return functional::embedding(indices, weight,
                               functional::EmbeddingFuncOptions()
                                   .padding_idx(options.padding_idx())
                                   .max_norm(options.max_norm())
                                   .norm_type(options.norm_type())
                                   .scale_grad_by_freq(options.scale_grad_by_freq())
                                   .sparse(options.sparse()));
}

Embedding Embedding::from_pretrained(const Tensor& embeddings, const EmbeddingFromPretrainedOptions& options) {
  FULMEN_CHECK(embeddings.dim() == 2, "Embedding::from_pretrained: embeddings are expected to be 2-dimensional; got ",
               embeddings);
  Embedding embedding(EmbeddingOptions(embeddings.size(0), embeddings.size(1))
                          ._weight(embeddings)
                          .padding_idx(options.padding_idx())
                          .max_norm(options.max_norm())
                          .norm_type(options.norm_type())
                          .scale_grad_by_freq(options.scale_grad_by_freq())
                          .sparse(options.sparse()));
  embedding->weight.set_requires_grad(!options.freeze());
  return embedding;
}

}  // namespace fulmen::nn
