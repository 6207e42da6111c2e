#include <fulmen/autograd/grad_mode.h>
#include <fulmen/nn/models/llama.h>
#include <fulmen/tensor/byte_source.h>

#include <bit>

namespace fulmen::nn {

static_assert(std::endian::native == std::endian::little, "the file's numbers are little endian");

namespace {

struct Header {
  int32_t dim, hidden_dim, layers, heads, kv_heads, vocabulary, longest;
};

LlamaOptions options_of(const Header& h, const ByteSource& file) {
  // So that no product of sizes overflows.
  constexpr int32_t most = 1 << 20, most_layers = 1 << 12;
  const bool untied = h.vocabulary < 0;
  const int64_t vocabulary = untied ? -static_cast<int64_t>(h.vocabulary) : h.vocabulary;
  const auto fits = [](int64_t value, int64_t limit) { return value > 0 && value <= limit; };
  if (!fits(h.dim, most) || !fits(h.hidden_dim, most) || !fits(h.layers, most_layers) || !fits(h.heads, h.dim) ||
      !fits(h.kv_heads, h.heads) || !fits(vocabulary, most * 16) || !fits(h.longest, most)) {
    file.refuse(str("the header is not that of a llama2.c model: dim ", h.dim, ", hidden ", h.hidden_dim, ", layers ",
                    h.layers, ", heads ", h.heads, ", kv heads ", h.kv_heads, ", vocabulary ", h.vocabulary,
                    ", longest text ", h.longest));
  }
  if (h.dim % (2 * h.heads) != 0 || h.heads % h.kv_heads != 0) {
    file.refuse(str("dim ", h.dim, ", heads ", h.heads, " and kv heads ", h.kv_heads, " do not divide evenly"));
  }
  return LlamaOptions(vocabulary, h.longest, h.layers, h.heads, h.dim, h.hidden_dim)
      .n_kv_heads(h.kv_heads)
      .tied_output(!untied);
}

/// Bytes that a file with this header has.
uint64_t expected_size(const LlamaOptions& o) {
  const auto n = [](int64_t value) { return static_cast<uint64_t>(value); };
  const uint64_t kv = n(o.dim() / o.n_heads() * o.n_kv_heads());
  const uint64_t layer =
      2 * n(o.dim()) + 2 * n(o.dim()) * n(o.dim()) + 2 * n(o.dim()) * kv + 3 * n(o.dim()) * n(o.hidden_dim());
  const uint64_t angles = n(o.max_seq_len()) * n(o.dim() / o.n_heads());
  const uint64_t tables = (o.tied_output() ? 1 : 2) * n(o.vocab_size()) * n(o.dim());
  return sizeof(Header) + 4 * (tables + n(o.n_layers()) * layer + n(o.dim()) + angles);
}

Llama load(const ByteSource& file) {
  Header header{};
  file.read(0, &header, sizeof(header));
  const LlamaOptions options = options_of(header, file);
  if (file.size() != expected_size(options)) {
    file.refuse(str("the header asks for ", expected_size(options), " bytes; the file has ", file.size()));
  }
  NoGradGuard no_grad;
  Llama model(options);
  uint64_t at = sizeof(header);
  const auto read = [&](const Tensor& weight) {
    const uint64_t bytes = static_cast<uint64_t>(weight.numel()) * 4;
    file.read(at, weight.data_ptr<float>(), bytes);
    at += bytes;
  };
  const auto read_all = [&](auto&& weight_of) {
    for (const auto& module : *model->layers) read(weight_of(*module->as<LlamaBlock>()));
  };
  read(model->tok_embeddings->weight);
  read_all([](LlamaBlockImpl& b) { return b.attention_norm->weight; });
  read_all([](LlamaBlockImpl& b) { return b.attention->wq->weight; });
  read_all([](LlamaBlockImpl& b) { return b.attention->wk->weight; });
  read_all([](LlamaBlockImpl& b) { return b.attention->wv->weight; });
  read_all([](LlamaBlockImpl& b) { return b.attention->wo->weight; });
  read_all([](LlamaBlockImpl& b) { return b.ffn_norm->weight; });
  read_all([](LlamaBlockImpl& b) { return b.feed_forward->w1->weight; });
  read_all([](LlamaBlockImpl& b) { return b.feed_forward->w2->weight; });
  read_all([](LlamaBlockImpl& b) { return b.feed_forward->w3->weight; });
  read(model->norm->weight);
  at += 4 * static_cast<uint64_t>(header.longest) * static_cast<uint64_t>(header.dim / header.heads);  // cos and sin
  if (!options.tied_output()) read(model->output->weight);
  return model;
}

}  // namespace

Llama load_llama2c(const std::string& path) { return load(ByteSource(path)); }

Llama llama2c_from_bytes(const void* data, size_t size, const std::string& name) {
  return load(ByteSource(data, size, name));
}

}  // namespace fulmen::nn
