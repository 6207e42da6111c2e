#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/attention.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/rotary.h>
#include <fulmen/nn/functional/activation.h>
#include <fulmen/nn/functional/linear.h>
#include <fulmen/nn/init.h>
#include <fulmen/nn/models/llama.h>

#include <cmath>

namespace fulmen::nn {

namespace F = functional;

namespace {
Linear without_bias(int64_t in, int64_t out) { return Linear(LinearOptions(in, out).bias(false)); }
RMSNorm norm_of(const LlamaOptions& options) {
  return RMSNorm(RMSNormOptions({options.dim()}).eps(options.norm_eps()));
}
}  // namespace

LlamaAttentionImpl::LlamaAttentionImpl(const LlamaOptions& options_) : options(options_) {
  LlamaAttentionImpl::reset();
}

void LlamaAttentionImpl::reset() {
  const int64_t heads = options.n_heads(), kv_heads = options.n_kv_heads(), dim = options.dim();
  FULMEN_CHECK(heads > 0 && kv_heads > 0 && heads % kv_heads == 0 && dim > 0 && dim % (2 * heads) == 0,
               "Llama: dim = ", dim, " must be a multiple of 2 n_heads, and n_heads = ", heads,
               " a multiple of n_kv_heads = ", kv_heads);
  wq = register_module("wq", without_bias(dim, dim));
  wk = register_module("wk", without_bias(dim, dim / heads * kv_heads));
  wv = register_module("wv", without_bias(dim, dim / heads * kv_heads));
  wo = register_module("wo", without_bias(dim, dim));
}

Tensor LlamaAttentionImpl::forward(const Tensor& x, const LlamaPositions& at, KeyValueCache* cache, int64_t layer) {
  const int64_t rows = x.size(0), n = x.size(1), head_dim = options.dim() / options.n_heads();
  const auto heads = [&](const Tensor& t) { return t.view({rows, n, -1, head_dim}); };  // [rows, n, heads, dim]
  const auto rotated = [&](const Tensor& t) { return rotary_embedding(t, at.cos, at.sin, /*interleaved=*/true); };
  const Tensor query = rotated(heads(wq(x))).transpose(1, 2);  // [rows, heads, n, dim]
  Tensor key = rotated(heads(wk(x))).transpose(1, 2), value = heads(wv(x)).transpose(1, 2);
  if (cache) std::tie(key, value) = cache->append(layer, key, value);
  const Tensor seen = scaled_dot_product_attention(query, key, value, at.mask, 0, /*is_causal=*/!cache, std::nullopt,
                                                   /*enable_gqa=*/true);
  return wo(seen.transpose(1, 2).reshape({rows, n, options.dim()}));
}

LlamaFeedForwardImpl::LlamaFeedForwardImpl(const LlamaOptions& options_) : options(options_) {
  LlamaFeedForwardImpl::reset();
}

void LlamaFeedForwardImpl::reset() {
  w1 = register_module("w1", without_bias(options.dim(), options.hidden_dim()));
  w2 = register_module("w2", without_bias(options.hidden_dim(), options.dim()));
  w3 = register_module("w3", without_bias(options.dim(), options.hidden_dim()));
}

Tensor LlamaFeedForwardImpl::forward(const Tensor& x) { return w2(F::silu(w1(x)) * w3(x)); }

LlamaBlockImpl::LlamaBlockImpl(const LlamaOptions& options_) : options(options_) { LlamaBlockImpl::reset(); }

void LlamaBlockImpl::reset() {
  attention = register_module("attention", LlamaAttention(options));
  feed_forward = register_module("feed_forward", LlamaFeedForward(options));
  attention_norm = register_module("attention_norm", norm_of(options));
  ffn_norm = register_module("ffn_norm", norm_of(options));
}

Tensor LlamaBlockImpl::forward(Tensor x, const LlamaPositions& at, KeyValueCache* cache, int64_t layer) {
  x = x + attention(attention_norm(x), at, cache, layer);
  return x + feed_forward(ffn_norm(x));
}

LlamaImpl::LlamaImpl(const LlamaOptions& options_) : options(options_) { LlamaImpl::reset(); }

void LlamaImpl::reset() {
  tok_embeddings = register_module("tok_embeddings", Embedding(options.vocab_size(), options.dim()));
  layers = register_module("layers", ModuleList());
  for (int64_t layer = 0; layer < options.n_layers(); ++layer) layers->push_back(LlamaBlock(options));
  norm = register_module("norm", norm_of(options));
  if (!options.tied_output()) {
    output = register_module("output", without_bias(options.dim(), options.vocab_size()));
  }
  reset_parameters();
}

void LlamaImpl::reset_parameters() {
  NoGradGuard no_grad;
  const double before_sum = 0.02 / std::sqrt(2.0 * static_cast<double>(options.n_layers()));
  for (auto& item : named_parameters()) {
    const std::string& name = item.key();
    if (item.value().dim() < 2) continue;
    init::normal_(item.value(), 0, name.ends_with("w2.weight") || name.ends_with("wo.weight") ? before_sum : 0.02);
  }
}

// A rotation per position, the same for every head: [n, 1, pairs], or [rows, n, 1, pairs] if rows differ.
LlamaPositions LlamaImpl::rotation(const Tensor& positions) const {
  const auto [cos, sin] = rotary_angles(positions, options.dim() / options.n_heads(), options.rope_theta());
  return {cos.unsqueeze(-2), sin.unsqueeze(-2), {}};
}

Tensor LlamaImpl::hidden(const Tensor& tokens, const LlamaPositions& at, KeyValueCache* cache) {
  Tensor x = tok_embeddings(tokens);
  int64_t layer = 0;
  for (const auto& block : *layers) x = block->as<LlamaBlock>()->forward(x, at, cache, layer++);
  return x;
}

Tensor LlamaImpl::logits(const Tensor& x) {
  return options.tied_output() ? F::linear(norm(x), tok_embeddings->weight) : output(norm(x));
}

Tensor LlamaImpl::forward(const Tensor& tokens) {
  FULMEN_CHECK(tokens.dim() == 2 && tokens.size(1) <= options.max_seq_len(),
               "Llama: tokens must be int64[rows, n] with n <= ", options.max_seq_len(), "; got ", tokens);
  const Tensor positions = arange(tokens.size(1), TensorOptions(kLong).device(tokens.device()));
  return logits(hidden(tokens, rotation(positions), nullptr));
}

std::unique_ptr<Memory> LlamaImpl::make_memory(const std::vector<int64_t>& padding, int64_t rows,
                                               int64_t capacity) const {
  const KeyValueCache::Sizes sizes{.layers = options.n_layers(),
                                   .rows = rows,
                                   .heads = options.n_kv_heads(),
                                   .capacity = capacity,
                                   .head_dim = options.dim() / options.n_heads()};
  return std::make_unique<KeyValueCache>(sizes, padding, tok_embeddings->weight);
}

Tensor LlamaImpl::read(const Tensor& tokens, Memory& memory) {
  auto& cache = dynamic_cast<KeyValueCache&>(memory);
  const int64_t n = tokens.size(1);
  LlamaPositions at = rotation(cache.positions(n));
  at.mask = cache.mask(n);
  const Tensor x = hidden(tokens.to(tok_embeddings->weight.device()), at, &cache);
  cache.advance(n);
  return logits(x.select(1, n - 1));
}

}  // namespace fulmen::nn
