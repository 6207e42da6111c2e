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

EmbeddingBagImpl::EmbeddingBagImpl(EmbeddingBagOptions options_) : options(std::move(options_)) {
  EmbeddingBagImpl::reset();
}

void EmbeddingBagImpl::reset() {
  if (options.padding_idx()) {
    int64_t row = *options.padding_idx();
    FULMEN_CHECK(row >= -options.num_embeddings() && row < options.num_embeddings(), "EmbeddingBag: padding_idx ", row,
                 " must be within num_embeddings ", options.num_embeddings());
    if (row < 0) options.padding_idx(row + options.num_embeddings());
  }
  if (options._weight().defined()) {
    FULMEN_CHECK(options._weight().sizes() == IntArrayRef({options.num_embeddings(), options.embedding_dim()}),
                 "Shape of _weight does not match num_embeddings and embedding_dim: got ", options._weight());
    weight = register_parameter("weight", options._weight());
  } else {
    weight = register_parameter("weight", empty({options.num_embeddings(), options.embedding_dim()}));
    reset_parameters();
  }
}

void EmbeddingBagImpl::reset_parameters() {
  init::normal_(weight);
  if (!options.padding_idx()) return;
  NoGradGuard no_grad;
  weight.select(0, *options.padding_idx()).zero_();
}

void EmbeddingBagImpl::pretty_print(std::ostream& stream) const {
  Printed printed(stream, "EmbeddingBag");
  printed.arg("num_embeddings", options.num_embeddings()).arg("embedding_dim", options.embedding_dim());
  if (options.max_norm()) printed.arg("max_norm", *options.max_norm());
  printed.arg_unless("norm_type", options.norm_type(), 2.0)
      .arg_unless("scale_grad_by_freq", options.scale_grad_by_freq(), false)
      .arg_unless("sparse", options.sparse(), false);
  if (!options.mode().is<enumtype::kMean>()) printed.arg("mode", "k" + std::string(options.mode().text()));
  printed.arg_unless("include_last_offset", options.include_last_offset(), false);
  if (options.padding_idx()) printed.arg("padding_idx", *options.padding_idx());
}

Tensor EmbeddingBagImpl::forward(const Tensor& input, const Tensor& offsets, const Tensor& per_sample_weights) {
  functional::EmbeddingBagFuncOptions o;
  o.offsets(offsets).max_norm(options.max_norm()).norm_type(options.norm_type()).mode(options.mode());
  o.scale_grad_by_freq(options.scale_grad_by_freq()).sparse(options.sparse()).per_sample_weights(per_sample_weights);
  o.include_last_offset(options.include_last_offset()).padding_idx(options.padding_idx());
  return functional::embedding_bag(input, weight, o);
}

EmbeddingBag EmbeddingBag::from_pretrained(const Tensor& embeddings, const EmbeddingBagFromPretrainedOptions& o) {
  FULMEN_CHECK(embeddings.dim() == 2,
               "EmbeddingBag::from_pretrained: embeddings are expected to be 2-dimensional; got ", embeddings);
  EmbeddingBagOptions options(embeddings.size(0), embeddings.size(1));
  options._weight(embeddings).max_norm(o.max_norm()).norm_type(o.norm_type()).mode(o.mode()).sparse(o.sparse());
  options.scale_grad_by_freq(o.scale_grad_by_freq()).include_last_offset(o.include_last_offset());
  EmbeddingBag bag(options.padding_idx(o.padding_idx()));
  bag->weight.set_requires_grad(!o.freeze());
  return bag;
}

}  // namespace fulmen::nn
