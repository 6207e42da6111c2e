#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/attention.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/gather.h>
#include <fulmen/autograd/ops/join.h>
#include <fulmen/autograd/ops/sort.h>
#include <fulmen/nn/functional/activation.h>
#include <fulmen/nn/functional/dropout.h>
#include <fulmen/nn/functional/normalization.h>
#include <fulmen/nn/init.h>
#include <fulmen/nn/models/bert.h>
#include <fulmen/tensor/safetensors.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

namespace fulmen::nn {

namespace F = functional;

namespace {

LayerNorm norm_of(const BertOptions& options) {
  return LayerNorm(LayerNormOptions({options.hidden_size()}).eps(options.layer_norm_eps()));
}

/// A module that only gives others a name: "attention" in "attention.self".
class NameOnly : public Module {
 public:
  using Module::Module;

 private:
  void clone_(Module& other, const std::optional<Device>& device) override { copy_values_from(other, device); }
};

}  // namespace

BertOptions BertOptions::load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  FULMEN_CHECK(file, path, ": cannot open the file: ", std::strerror(errno));
  const auto config = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  FULMEN_CHECK(config.is_object(), path, ": this is no configuration of a model: expected a JSON object");
  const auto number = [&](const char* name, double otherwise) {
    const auto found = config.find(name);
    if (found == config.end() && otherwise >= 0) return otherwise;
    FULMEN_CHECK(found != config.end(), path, ": '", name, "' is missing; expected a BERT model's config.json");
    FULMEN_CHECK(found->is_number() && found->get<double>() >= 0 && found->get<double>() < 1e9, path, ": '", name,
                 "' is ", found->dump().substr(0, 60), "; expected a number that is not negative");
    return found->get<double>();
  };
  const auto size = [&](const char* name, int64_t otherwise = -1) {
    const auto value = static_cast<int64_t>(number(name, static_cast<double>(otherwise)));
    FULMEN_CHECK(value > 0, path, ": '", name, "' is ", value, "; expected a positive number");
    return value;
  };
  const auto only = [&](const char* name, const char* expected) {
    const auto found = config.find(name);
    FULMEN_CHECK(found == config.end() || *found == expected, path, ": '", name, "' is ", found->dump().substr(0, 60),
                 "; expected \"", expected, "\"");
  };
  only("model_type", "bert");
  only("hidden_act", "gelu");
  only("position_embedding_type", "absolute");
  return BertOptions(size("vocab_size"), size("hidden_size"), size("num_hidden_layers"), size("num_attention_heads"),
                     size("intermediate_size"))
      .max_position_embeddings(size("max_position_embeddings", 512))
      .type_vocab_size(size("type_vocab_size", 2))
      .layer_norm_eps(number("layer_norm_eps", 1e-12))
      .hidden_dropout_prob(number("hidden_dropout_prob", 0.1))
      .attention_probs_dropout_prob(number("attention_probs_dropout_prob", 0.1));
}

TokenPlaces::TokenPlaces(int64_t rows, int64_t n, const Tensor& mask) : rows_(rows), n_(n) {
  if (!mask.defined()) return;
  NoGradGuard no_grad;
  const Tensor flat = mask.reshape({rows * n}), slots = flat.nonzero().reshape({-1});
  if (slots.numel() == rows * n) return;
  slots_ = slots;
  token_of_ = (cumsum(flat.to(kLong), 0) - 1).clamp_min(0);
  keys_ = mask.view({rows, 1, 1, n});
}

Tensor TokenPlaces::pack(const Tensor& padded) const {
  return slots_.defined() ? padded.index_select(0, slots_) : padded;
}

Tensor TokenPlaces::unpack(const Tensor& packed) const {
  const Tensor all = slots_.defined() ? packed.index_select(0, token_of_) : packed;
  std::vector<int64_t> sizes = {rows_, n_};
  sizes.insert(sizes.end(), packed.sizes().begin() + 1, packed.sizes().end());
  return all.view(sizes);
}

Tensor TokenPlaces::positions(const Tensor& like) const {
  const Tensor columns = arange(n_, TensorOptions(kLong).device(like.device()));
  return pack(columns.expand({rows_, n_}).reshape({rows_ * n_}));
}

BertEmbeddingsImpl::BertEmbeddingsImpl(const BertOptions& options_) : options(options_) { BertEmbeddingsImpl::reset(); }

void BertEmbeddingsImpl::reset() {
  const int64_t width = options.hidden_size();
  word_embeddings = register_module("word_embeddings", Embedding(options.vocab_size(), width));
  position_embeddings = register_module("position_embeddings", Embedding(options.max_position_embeddings(), width));
  token_type_embeddings = register_module("token_type_embeddings", Embedding(options.type_vocab_size(), width));
  norm = register_module("LayerNorm", norm_of(options));
}

Tensor BertEmbeddingsImpl::forward(const Tensor& ids, const Tensor& positions, const Tensor& types) {
  const Tensor segments = types.defined() ? token_type_embeddings(types) : token_type_embeddings->weight[0];
  return F::dropout(norm(word_embeddings(ids) + segments + position_embeddings(positions)),
                    F::DropoutFuncOptions().p(options.hidden_dropout_prob()).training(is_training()));
}

BertSelfAttentionImpl::BertSelfAttentionImpl(const BertOptions& options_) : options(options_) {
  BertSelfAttentionImpl::reset();
}

void BertSelfAttentionImpl::reset() {
  const int64_t width = options.hidden_size(), heads = options.num_attention_heads();
  FULMEN_CHECK(heads > 0 && width % heads == 0, "Bert: hidden_size = ", width,
               " must be a multiple of num_attention_heads = ", heads);
  query = register_module("query", Linear(width, width));
  key = register_module("key", Linear(width, width));
  value = register_module("value", Linear(width, width));
}

Tensor BertSelfAttentionImpl::forward(const Tensor& x, const TokenPlaces& places) {
  const int64_t width = options.hidden_size(), heads = options.num_attention_heads();
  const auto by_head = [&](const Tensor& t) {  // [rows, heads, n, dim]
    return places.unpack(t.view({-1, heads, width / heads})).transpose(1, 2);
  };
  const double dropout = is_training() ? options.attention_probs_dropout_prob() : 0;
  const Tensor seen =
      scaled_dot_product_attention(by_head(query(x)), by_head(key(x)), by_head(value(x)), places.keys(), dropout);
  return places.pack(seen.transpose(1, 2).reshape({-1, width}));
}

BertOutputImpl::BertOutputImpl(int64_t inputs, const BertOptions& options_) : options(options_), inputs_(inputs) {
  BertOutputImpl::reset();
}

void BertOutputImpl::reset() {
  dense = register_module("dense", Linear(inputs_, options.hidden_size()));
  norm = register_module("LayerNorm", norm_of(options));
}

Tensor BertOutputImpl::forward(const Tensor& y, const Tensor& x) {
  return norm(x +
              F::dropout(dense(y), F::DropoutFuncOptions().p(options.hidden_dropout_prob()).training(is_training())));
}

BertLayerImpl::BertLayerImpl(const BertOptions& options_) : options(options_) { BertLayerImpl::reset(); }

void BertLayerImpl::reset() {
  const int64_t width = options.hidden_size(), inside = options.intermediate_size();
  auto both = register_module("attention", std::make_shared<NameOnly>("attention"));
  attention = both->register_module("self", BertSelfAttention(options));
  attention_output = both->register_module("output", BertOutput(width, options));
  intermediate = register_module("intermediate", std::make_shared<NameOnly>("intermediate"))
                     ->register_module("dense", Linear(width, inside));
  output = register_module("output", BertOutput(inside, options));
}

Tensor BertLayerImpl::forward(const Tensor& x, const TokenPlaces& places) {
  const Tensor seen = attention_output(attention(x, places), x);
  return output(F::gelu(intermediate(seen)), seen);
}

BertImpl::BertImpl(const BertOptions& options_) : options(options_) { BertImpl::reset(); }

void BertImpl::reset() {
  embeddings = register_module("embeddings", BertEmbeddings(options));
  layers = register_module("encoder", std::make_shared<NameOnly>("encoder"))->register_module("layer", ModuleList());
  for (int64_t layer = 0; layer < options.num_hidden_layers(); ++layer) layers->push_back(BertLayer(options));
  pooler = register_module("pooler", std::make_shared<NameOnly>("pooler"))
               ->register_module("dense", Linear(options.hidden_size(), options.hidden_size()));
  reset_parameters();
}

void BertImpl::reset_parameters() {
  NoGradGuard no_grad;
  for (auto& item : named_parameters()) {
    if (item.value().dim() > 1) {
      init::normal_(item.value(), 0, 0.02);
    } else if (item.key().ends_with("bias")) {
      init::zeros_(item.value());
    }
  }
}

std::vector<Tensor> BertImpl::encode(const Tensor& ids, const Tensor& mask, const Tensor& token_types, bool all) {
  FULMEN_CHECK(ids.dim() == 2 && ids.size(1) <= options.max_position_embeddings(),
               "Bert: ids must be int64[rows, n] with n <= ", options.max_position_embeddings(), "; got ", ids);
  FULMEN_CHECK(!mask.defined() || (mask.scalar_type() == kBool && mask.sizes() == ids.sizes()),
               "Bert: the mask must be bool", ids.sizes(), "; got ", mask);
  FULMEN_CHECK(!token_types.defined() || token_types.sizes() == ids.sizes(), "Bert: token_types must be int64",
               ids.sizes(), "; got ", token_types);
  const TokenPlaces places(ids.size(0), ids.size(1), mask);
  const auto packed = [&](const Tensor& t) { return t.defined() ? places.pack(t.reshape({-1})) : t; };
  std::vector<Tensor> states;
  const auto keep = [&](const Tensor& x) {
    const Tensor padded = places.unpack(x);
    states.push_back(places.keys().defined() ? padded * mask.unsqueeze(-1) : padded);
  };
  Tensor x = embeddings(packed(ids), places.positions(ids), packed(token_types));
  for (const auto& layer : *layers) {
    if (all) keep(x);
    x = layer->as<BertLayer>()->forward(x, places);
  }
  keep(x);
  return states;
}

Tensor BertImpl::forward(const Tensor& ids, const Tensor& mask, const Tensor& token_types) {
  return encode(ids, mask, token_types, /*all=*/false)[0];
}

std::vector<Tensor> BertImpl::hidden_states(const Tensor& ids, const Tensor& mask, const Tensor& token_types) {
  return encode(ids, mask, token_types, /*all=*/true);
}

Tensor BertImpl::layer_means(const Tensor& ids, const Tensor& mask) {
  std::vector<Tensor> means;
  for (const Tensor& state : hidden_states(ids, mask)) means.push_back(mean_of_tokens(state, mask));
  return cat(means, 1);
}

Tensor BertImpl::pool(const Tensor& hidden) { return pooler(hidden.select(1, 0)).tanh(); }

Tensor BertImpl::sentence_embeddings(const Tensor& ids, const Tensor& mask) {
  return F::normalize(mean_of_tokens(forward(ids, mask), mask));
}

void BertImpl::load(const std::string& path) {
  OrderedDict<std::string, Tensor> state;
  for (auto& [name, tensor] : load_safetensors(path).tensors) {
    const std::string own = name.starts_with("bert.") ? name.substr(5) : name;
    if (own == "embeddings.position_ids" || own.starts_with("cls.")) continue;
    state.insert(own, tensor);
  }
  for (const auto& item : pooler->state_dict()) {
    if (!state.contains("pooler.dense." + item.key())) state.insert("pooler.dense." + item.key(), item.value());
  }
  try {
    load_state_dict(state);
  } catch (Error& error) {
    error.add_context(path);
    throw;
  }
}

Tensor mean_of_tokens(const Tensor& hidden, const Tensor& mask) {
  if (!mask.defined()) return hidden.mean(1);
  const Tensor weight = mask.to(hidden.scalar_type()).unsqueeze(-1);
  return (hidden * weight).sum(1) / weight.sum(1).clamp_min(1);
}

Bert load_bert(const std::string& folder) {
  Bert model(BertOptions::load(folder + "/config.json"));
  model->load(folder + "/model.safetensors");
  model->eval();
  return model;
}

}  // namespace fulmen::nn
