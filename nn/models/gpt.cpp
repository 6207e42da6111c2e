#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/attention.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/nn/functional/activation.h>
#include <fulmen/nn/functional/dropout.h>
#include <fulmen/nn/functional/linear.h>
#include <fulmen/nn/init.h>
#include <fulmen/nn/models/gpt.h>
#include <fulmen/nn/print.h>
#include <fulmen/tensor/safetensors.h>

#include <cmath>

namespace fulmen::nn {

namespace F = functional;

TransposedLinearImpl::TransposedLinearImpl(int64_t in_features, int64_t out_features)
    : in_(in_features), out_(out_features) {
  TransposedLinearImpl::reset();
}

void TransposedLinearImpl::reset() {
  weight = register_parameter("weight", init::normal_(empty({in_, out_}), 0, 0.02));
  bias = register_parameter("bias", zeros({out_}));
}

void TransposedLinearImpl::pretty_print(std::ostream& stream) const {
  Printed(stream, "TransposedLinear").arg("in_features", in_).arg("out_features", out_);
}

Tensor TransposedLinearImpl::forward(const Tensor& x) { return F::linear(x, weight.t(), bias); }

GPTAttentionImpl::GPTAttentionImpl(const GPTOptions& options_) : options(options_) { GPTAttentionImpl::reset(); }

void GPTAttentionImpl::reset() {
  FULMEN_CHECK(options.n_head() > 0 && options.n_embd() % options.n_head() == 0, "GPT: n_embd = ", options.n_embd(),
               " must be a multiple of n_head = ", options.n_head());
  c_attn = register_module("c_attn", TransposedLinear(options.n_embd(), 3 * options.n_embd()));
  c_proj = register_module("c_proj", TransposedLinear(options.n_embd(), options.n_embd()));
}

Tensor GPTAttentionImpl::forward(const Tensor& x, KeyValueCache* cache, int64_t layer, const Tensor& mask) {
  const int64_t rows = x.size(0), n = x.size(1), heads = options.n_head(), width = options.n_embd();
  const Tensor all =
      c_attn(x).view({rows, n, 3, heads, width / heads}).permute({2, 0, 3, 1, 4});  // [3, rows, heads, n, dim]
  const Tensor query = all.select(0, 0);
  Tensor key = all.select(0, 1), value = all.select(0, 2);
  if (cache) std::tie(key, value) = cache->append(layer, key, value);
  const double dropout = is_training() ? options.dropout() : 0;
  const Tensor seen = scaled_dot_product_attention(query, key, value, mask, dropout, /*is_causal=*/!cache);
  return F::dropout(c_proj(seen.transpose(1, 2).reshape({rows, n, width})),
                    F::DropoutFuncOptions().p(options.dropout()).training(is_training()));
}

GPTFeedForwardImpl::GPTFeedForwardImpl(const GPTOptions& options_) : options(options_) { GPTFeedForwardImpl::reset(); }

void GPTFeedForwardImpl::reset() {
  c_fc = register_module("c_fc", TransposedLinear(options.n_embd(), 4 * options.n_embd()));
  c_proj = register_module("c_proj", TransposedLinear(4 * options.n_embd(), options.n_embd()));
}

Tensor GPTFeedForwardImpl::forward(const Tensor& x) {
  return F::dropout(c_proj(F::gelu(c_fc(x), F::GELUFuncOptions().approximate("tanh"))),
                    F::DropoutFuncOptions().p(options.dropout()).training(is_training()));
}

GPTBlockImpl::GPTBlockImpl(const GPTOptions& options_) : options(options_) { GPTBlockImpl::reset(); }

void GPTBlockImpl::reset() {
  ln_1 = register_module("ln_1", LayerNorm(LayerNormOptions({options.n_embd()})));
  attn = register_module("attn", GPTAttention(options));
  ln_2 = register_module("ln_2", LayerNorm(LayerNormOptions({options.n_embd()})));
  mlp = register_module("mlp", GPTFeedForward(options));
}

Tensor GPTBlockImpl::forward(Tensor x, KeyValueCache* cache, int64_t layer, const Tensor& mask) {
  x = x + attn(ln_1(x), cache, layer, mask);
  return x + mlp(ln_2(x));
}

GPTImpl::GPTImpl(const GPTOptions& options_) : options(options_) { GPTImpl::reset(); }

void GPTImpl::reset() {
  wte = register_module("wte", Embedding(options.vocab_size(), options.n_embd()));
  wpe = register_module("wpe", Embedding(options.n_positions(), options.n_embd()));
  h = register_module("h", ModuleList());
  for (int64_t layer = 0; layer < options.n_layer(); ++layer) h->push_back(GPTBlock(options));
  ln_f = register_module("ln_f", LayerNorm(LayerNormOptions({options.n_embd()})));
  reset_parameters();
}

void GPTImpl::reset_parameters() {
  NoGradGuard no_grad;
  const double before_sum = 0.02 / std::sqrt(2.0 * static_cast<double>(options.n_layer()));
  for (auto& item : named_parameters()) {
    const std::string& name = item.key();
    if (item.value().dim() < 2) continue;
    init::normal_(item.value(), 0, name.ends_with("c_proj.weight") ? before_sum : 0.02);
  }
}

Tensor GPTImpl::hidden(const Tensor& tokens, const Tensor& positions, KeyValueCache* cache) {
  Tensor x =
      F::dropout(wte(tokens) + wpe(positions), F::DropoutFuncOptions().p(options.dropout()).training(is_training()));
  const Tensor mask = cache ? cache->mask(tokens.size(1)) : Tensor();
  int64_t layer = 0;
  for (const auto& block : *h) x = block->as<GPTBlock>()->forward(x, cache, layer++, mask);
  return x;
}

Tensor GPTImpl::forward(const Tensor& tokens) {
  FULMEN_CHECK(tokens.dim() == 2 && tokens.size(1) <= options.n_positions(),
               "GPT: tokens must be int64[rows, n] with n <= ", options.n_positions(), "; got ", tokens);
  const Tensor positions = arange(tokens.size(1), TensorOptions(kLong).device(tokens.device()));
  return F::linear(ln_f(hidden(tokens, positions, nullptr)), wte->weight);
}

std::unique_ptr<Memory> GPTImpl::make_memory(const std::vector<int64_t>& padding, int64_t rows,
                                             int64_t capacity) const {
  const KeyValueCache::Sizes sizes{.layers = options.n_layer(),
                                   .rows = rows,
                                   .heads = options.n_head(),
                                   .capacity = capacity,
                                   .head_dim = options.n_embd() / options.n_head()};
  return std::make_unique<KeyValueCache>(sizes, padding, wte->weight);
}

Tensor GPTImpl::read(const Tensor& tokens, Memory& memory) {
  auto& cache = dynamic_cast<KeyValueCache&>(memory);
  const int64_t n = tokens.size(1);
  const Tensor x = hidden(tokens.to(wte->weight.device()), cache.positions(n), &cache);
  cache.advance(n);
  return F::linear(ln_f(x.select(1, n - 1)), wte->weight);
}

void GPTImpl::load(const std::string& path) {
  OrderedDict<std::string, Tensor> state;
  for (auto& [name, tensor] : load_safetensors(path).tensors) {
    const std::string own = name.starts_with("transformer.") ? name.substr(12) : name;
    if (own == "lm_head.weight" || own.ends_with(".attn.bias") || own.ends_with(".attn.masked_bias")) continue;
    state.insert(own, tensor);
  }
  load_state_dict(state);
}

}  // namespace fulmen::nn
