#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/nn/functional/loss.h>
#include <fulmen/nn/generation/generate.h>
#include <fulmen/nn/models/gpt.h>
#include <fulmen/nn/models/llama.h>
#include <fulmen/nn/models/lstm_language_model.h>
#include <fulmen/nn/utils/clip_grad.h>
#include <fulmen/optim/adam.h>
#include <fulmen/tensor/safetensors.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/message_of.h"
#include "tests/nn/generation_checks.h"
#include "tests/paths.h"

using namespace fulmen;
using namespace fulmen::nn;
using namespace fulmen::testing;

namespace {

using Json = nlohmann::json;
using Texts = std::vector<std::vector<int64_t>>;

std::string file_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

/// Without dropout, and with weights large enough for tokens to matter.
template <class Model>
Model outspoken(Model model, double factor) {
  NoGradGuard no_grad;
  for (Tensor& weight : model->parameters()) weight.mul_(weight.dim() > 1 ? factor : 1);
  model->eval();
  return model;
}

GPT small_gpt(int64_t vocabulary = 23) {
  manual_seed(3);
  return outspoken(GPT(GPTOptions(vocabulary, 16, 2, 2, 16).dropout(0)), 12);
}

Llama small_llama(int64_t vocabulary = 29) {
  manual_seed(4);
  return outspoken(Llama(LlamaOptions(vocabulary, 20, 3, 4, 32, 40).n_kv_heads(2)), 8);
}

LSTMLanguageModel small_lstm(int64_t vocabulary = 19) {
  manual_seed(5);
  return outspoken(LSTMLanguageModel(LSTMLanguageModelOptions(vocabulary, 2, 24).dropout(0.5)), 4);
}

/// Logits of the cached model, token by token and in pieces, against those of forward().
template <class Model>
void check_cache(Model& model, int64_t vocabulary) {
  NoGradGuard no_grad;
  const Tensor tokens = randint(vocabulary, {3, 12}, TensorOptions(kLong));
  const Tensor expected = model->forward(tokens);
  for (int64_t piece : {1, 3, 12}) {
    const auto memory = model->make_memory({}, 3, 12);
    for (int64_t at = 0; at < 12; at += piece) {
      const Tensor logits = model->read(tokens.narrow(1, at, piece), *memory);
      CHECK(logits.allclose(expected.select(1, at + piece - 1), 1e-4, 1e-4));
      CHECK(memory->length() == at + piece);
    }
  }
  // Row r begins behind r tokens of padding: the same logits as without it.
  Tensor padded = tokens.clone();
  const auto memory = model->make_memory({0, 1, 5}, 3, 13);
  const Tensor logits = model->read(padded, *memory);
  for (int64_t row = 0; row < 3; ++row) {
    const int64_t padding = row == 2 ? 5 : row;
    const Tensor alone = model->forward(tokens.narrow(0, row, 1).narrow(1, padding, 12 - padding));
    CHECK(logits[row].allclose(alone.select(1, 11 - padding)[0], 1e-4, 1e-4));
  }
  memory->select_rows(tensor(std::vector<int64_t>{2, 0}));
  const Tensor more = model->read(tokens.narrow(1, 0, 1).narrow(0, 0, 2).clone().fill_(5), *memory);
  const Tensor longer = cat({tokens.narrow(0, 2, 1).narrow(1, 5, 7), tensor({{5}}, TensorOptions(kLong))}, 1);
  CHECK(more[0].allclose(model->forward(longer).select(1, 7)[0], 1e-4, 1e-4));
}

template <class Model>
void check_generation(Model& model) {
  const Texts prompts = {{1, 2, 3, 4, 5}, {7}, {9, 8, 7}};
  for (double temperature : {0.0, 1.0}) {
    // More than the context, so that it is read again.
    GenerateOptions options{.max_new_tokens = 30, .temperature = temperature, .seed = 5}, slow = options;
    slow.use_cache = false;
    const Texts texts = generate(*model, prompts, options);
    CHECK(texts == generate(*model, prompts, slow));
    for (size_t row = 0; row < prompts.size(); ++row) {
      GenerateOptions alone = options;
      alone.first_row = static_cast<int64_t>(row);
      alone.max_new_tokens = 10;  // a batch fills the context sooner
      CHECK(generate(*model, {prompts[row]}, alone)[0] ==
            std::vector<int64_t>(texts[row].begin(), texts[row].begin() + 10));
    }
  }
  GenerateOptions beams{.max_new_tokens = 25, .beams = 3}, slow = beams;
  slow.use_cache = false;
  CHECK(generate(*model, prompts, beams) == generate(*model, prompts, slow));
}

/// A model of four tokens: beams find the best text of all, and texts are drawn as often as their probability says.
template <class Model>
void check_choice(Model& model) {
  REQUIRE(model->vocabulary_size() == 4);
  const NextLogits logits = [&](const std::vector<int64_t>& text) {
    NoGradGuard no_grad;
    const auto n = static_cast<int64_t>(text.size());
    const Tensor next = model->forward(tensor(text).unsqueeze(0)).select(1, n - 1).contiguous();
    return std::vector<float>(next.data_ptr<float>(), next.data_ptr<float>() + 4);
  };
  for (double penalty : {0.0, 1.0}) {
    for (std::optional<int64_t> end : {std::optional<int64_t>(), std::optional<int64_t>(2)}) {
      const GenerateOptions options{.max_new_tokens = 4, .end_token = end, .beams = 64, .length_penalty = penalty};
      Exhaustive all(logits, options);
      for (const std::vector<int64_t>& prompt : Texts{{1}, {3, 1, 0}}) {
        CHECK(generate(*model, {prompt, {2, 3, 1, 1}}, options)[0] == all.best_after(prompt));
      }
    }
  }
  const Texts prompts(4000, {1, 3});
  const GenerateOptions options{.max_new_tokens = 2, .temperature = 1, .seed = 12};
  const Texts texts = generate(*model, prompts, options);
  std::map<int64_t, double> expected;
  std::map<int64_t, int64_t> counts;
  for (int64_t first = 0; first < 4; ++first) {
    const double p = log_probability(logits({1, 3}), first);
    for (int64_t then = 0; then < 4; ++then) {
      expected[4 * first + then] = std::exp(p + log_probability(logits({1, 3, first}), then));
    }
  }
  for (const auto& text : texts) ++counts[4 * text[0] + text[1]];
  check_frequencies(counts, expected);
  for (int64_t size : {1, 7, 64}) {  // the same texts in batches of another size
    for (int64_t row = 0; row < 128; row += size) {
      GenerateOptions part = options;
      part.first_row = row;
      const Texts some = generate(*model, Texts(static_cast<size_t>(size), {1, 3}), part);
      CHECK(std::equal(some.begin(), some.end(), texts.begin() + row));
    }
  }
}

}  // namespace

TEST_SUITE("nn") {
  TEST_CASE("GPT: the cache gives what reading everything gives") {
    GPT model = small_gpt();
    check_cache(model, 23);
    check_generation(model);
    CHECK(mentions(message_of([&] { model->forward(zeros({1, 17}, TensorOptions(kLong))); }), "n <= 16"));
    CHECK(mentions(message_of([] { GPT(GPTOptions(5, 4, 1, 3, 8)); }), "n_embd = 8 must be a multiple of n_head = 3"));
  }

  TEST_CASE("Llama: the cache gives what reading everything gives") {
    Llama model = small_llama();
    check_cache(model, 29);
    check_generation(model);
    CHECK(mentions(message_of([] { Llama(LlamaOptions(5, 4, 1, 3, 8, 8)); }), "must be a multiple of 2 n_heads"));
  }

  TEST_CASE("LSTMLanguageModel: its state gives what reading everything gives") {
    LSTMLanguageModel model = small_lstm();
    check_cache(model, 19);
    check_generation(model);
    CHECK(model->state_dict()["embedding.weight"].sizes() == IntArrayRef({19, 24}));
    CHECK(model->parameters().size() == 1 + 1 + 2 * 4);  // the output layer has only a bias of its own
    CHECK(mentions(message_of([&] { model->forward(zeros({3}, TensorOptions(kLong))); }), "int64[rows, n]"));
    // Padding that is read in pieces.
    NoGradGuard no_grad;
    const Tensor tokens = randint(19, {2, 9}, TensorOptions(kLong));
    const auto memory = model->make_memory({0, 4}, 2, 9);
    model->read(tokens.narrow(1, 0, 2), *memory);
    model->read(tokens.narrow(1, 2, 4), *memory);
    const Tensor logits = model->read(tokens.narrow(1, 6, 3), *memory);
    CHECK(logits[0].allclose(model->forward(tokens.narrow(0, 0, 1)).select(1, 8)[0], 1e-4, 1e-4));
    CHECK(logits[1].allclose(model->forward(tokens.narrow(0, 1, 1).narrow(1, 4, 5)).select(1, 4)[0], 1e-4, 1e-4));
    CHECK(mentions(message_of([&] { model->make_memory({0, 4}, 3, 9); }), "2 paddings for 3 rows"));
  }

  TEST_CASE("language models: beams find the best text of all, and texts come as often as they are probable") {
    GPT gpt = small_gpt(4);
    check_choice(gpt);
    Llama llama = small_llama(4);
    check_choice(llama);
    LSTMLanguageModel lstm = small_lstm(4);
    check_choice(lstm);
  }

  TEST_CASE("GPT: names and layouts are those of GPT-2's files, and such files load") {
    GPT model = small_gpt();
    const auto state = model->state_dict();
    CHECK(state.size() == 2 + 2 * 12 + 2);
    CHECK(state["wte.weight"].sizes() == IntArrayRef({23, 16}));
    CHECK(state["h.1.attn.c_attn.weight"].sizes() == IntArrayRef({16, 48}));
    CHECK(state["h.0.mlp.c_proj.weight"].sizes() == IntArrayRef({64, 16}));
    CHECK(state["ln_f.bias"].sizes() == IntArrayRef({16}));
    for (const std::string prefix : {"", "transformer."}) {
      Safetensors file;
      for (const auto& item : state) file.tensors.emplace_back(prefix + item.key(), item.value());
      file.tensors.emplace_back(prefix + "h.0.attn.bias", ones({1, 1, 16, 16}));
      if (!prefix.empty()) file.tensors.emplace_back("lm_head.weight", state["wte.weight"].clone());
      const std::string path = bin_dir() + "/gpt.safetensors";
      save_safetensors(path, file);
      GPT other(GPTOptions(23, 16, 2, 2, 16));
      other->load(path);
      other->eval();
      const Tensor tokens = randint(23, {2, 9}, TensorOptions(kLong));
      CHECK(other->forward(tokens).equal(model->forward(tokens)));
      CHECK(mentions(message_of([&] { GPT(GPTOptions(23, 16, 1, 2, 16))->load(path); }), "h.1.attn"));
    }
  }

  TEST_CASE("GPT: 20 training steps as PyTorch's, loss by loss") {
    const Json recorded = Json::parse(std::ifstream(source_dir() + "/tests/nn/gpt.json"));
    manual_seed(7);
    GPT model(GPTOptions(31, 12, 2, 4, 32).dropout(0));
    std::vector<Tensor> weights = model->parameters();
    for (const Json& expected : recorded["losses"]) {
      const Tensor tokens = randint(31, {4, 13}, TensorOptions(kLong));
      const Tensor logits = model->forward(tokens.narrow(1, 0, 12));
      const Tensor loss = functional::cross_entropy(logits.reshape({-1, 31}), tokens.narrow(1, 1, 12).reshape({-1}));
      CHECK(loss.item<double>() == doctest::Approx(expected.get<double>()).epsilon(1e-5));
      model->zero_grad();
      loss.backward();
      NoGradGuard no_grad;
      for (Tensor& weight : weights) weight.sub_(weight.grad().mul(0.5));
    }
  }

  TEST_CASE("GPT: 20 steps of AdamW at nanoGPT's size as PyTorch's, loss by loss") {
    const Json recorded = Json::parse(std::ifstream(source_dir() + "/tests/nn/gpt.json"));
    manual_seed(8);
    GPT model(GPTOptions(65, 64, 4, 4, 128).dropout(0));
    const std::vector<Tensor> weights = model->parameters();
    std::vector<Tensor> matrices, others;
    for (const Tensor& weight : weights) (weight.dim() > 1 ? matrices : others).push_back(weight);
    auto options = optim::AdamWOptions(1e-3).betas({0.9, 0.99}).weight_decay(0.1), still = options;
    optim::AdamW optimizer({matrices, {others, still.weight_decay(0).clone()}}, options);
    for (const Json& expected : recorded["adamw"]) {
      const Tensor first = randint(65, {12, 1}, TensorOptions(kLong));
      const Tensor step = randint(1, 5, {12, 1}, TensorOptions(kLong));
      const Tensor tokens = remainder(first + step * arange(65, TensorOptions(kLong)), 65);
      const Tensor logits = model->forward(tokens.narrow(1, 0, 64));
      const Tensor loss = functional::cross_entropy(logits.reshape({-1, 65}), tokens.narrow(1, 1, 64).reshape({-1}));
      CHECK(std::abs(loss.item<double>() - expected.get<double>()) < 1e-4);
      optimizer.zero_grad();
      loss.backward();
      utils::clip_grad_norm_(weights, 1);
      optimizer.step();
    }
  }

  TEST_CASE("GPT: a file that transformers saved gives its logits") {
    GPT model(GPTOptions(19, 10, 2, 2, 8));
    model->load(source_dir() + "/tests/nn/gpt2.safetensors");
    model->eval();
    const Json recorded = Json::parse(std::ifstream(source_dir() + "/tests/nn/gpt2.json"));
    NoGradGuard no_grad;
    for (size_t row = 0; row < 2; ++row) {
      const auto text = recorded["tokens"][row].get<std::vector<int64_t>>();
      const Tensor logits = model->forward(tensor(text).unsqueeze(0))[0];
      for (int64_t place = 0; place < logits.size(0); ++place) {
        const auto expected = recorded["logits"][row][static_cast<size_t>(place)].get<std::vector<double>>();
        CHECK(logits[place].to(kDouble).allclose(tensor(expected, TensorOptions(kDouble)), 0, 1e-5));
      }
    }
  }

  TEST_CASE("Llama: a model of llama2.c's form, and damaged ones") {
    // dim 4, hidden 6, one layer, two heads, one of keys, 5 tokens, at most 3 of them.
    const int32_t header[] = {4, 6, 1, 2, 1, -5, 3};
    const size_t weights = 5 * 4 * 2 + 4 + 16 + 8 + 8 + 16 + 4 + 3 * 24 + 4 + 3 * 2;
    std::string file(sizeof(header) + 4 * weights, '\0');
    std::memcpy(file.data(), header, sizeof(header));
    for (size_t i = 0; i < weights; ++i) {
      const auto value = static_cast<float>(i);
      std::memcpy(file.data() + sizeof(header) + 4 * i, &value, 4);
    }
    const Llama model = llama2c_from_bytes(file.data(), file.size());
    CHECK(model->tok_embeddings->weight[4][3].item<float>() == 19);
    const auto& block = *(*model->layers->begin())->as<LlamaBlock>();
    CHECK(block.attention_norm->weight[0].item<float>() == 20);
    CHECK(block.attention->wk->weight[1][3].item<float>() == 47);
    CHECK(block.feed_forward->w2->weight[0][0].item<float>() == 20 + 4 + 16 + 8 + 8 + 16 + 4 + 24);
    CHECK(model->output->weight[4][3].item<float>() == static_cast<float>(weights - 1));
    const auto message = [&](const std::string& bytes) {
      return message_of([&] { llama2c_from_bytes(bytes.data(), bytes.size(), "m.bin"); });
    };
    CHECK(mentions(message(file + "x"), "m.bin"));
    CHECK(mentions(message(file.substr(0, file.size() - 1)), "the header asks for"));
    CHECK(mentions(message(file.substr(0, 20)), "m.bin"));
    for (size_t i = 0; i < sizeof(header); ++i) {
      for (char byte : {'\0', '\1', '\x7F', '\xFF'}) {
        std::string damaged = file;
        if (damaged[i] == byte) continue;
        damaged[i] = byte;
        // Another longest text may fit no size, another number of heads may: never a crash, and mostly an error.
        if (i % 4 != 0 || i < 8) CHECK(message(damaged) != "no error");
      }
    }
  }

  TEST_CASE("Llama: stories260K tells the story that its author recorded") {
    if (shared_dir().empty()) return;
    const std::string folder = shared_dir() + "/data/stories260K";
    Llama model = load_llama2c(folder + "/stories260K.bin");
    model->eval();
    const Json expected = Json::parse(std::ifstream(folder + "/expected_greedy.json"));
    const auto ids = expected["ids"].get<std::vector<int64_t>>();
    const GenerateOptions options{.max_new_tokens = static_cast<int64_t>(ids.size()) - 1};
    std::vector<int64_t> text = {1};
    const std::vector<int64_t> told = generate(*model, {{1}}, options)[0];
    text.insert(text.end(), told.begin(), told.end());
    CHECK(text == ids);
    const auto logits = expected["logits_after_bos"].get<std::vector<double>>();
    const auto memory = model->make_memory({}, 1, 4);
    NoGradGuard no_grad;
    const Tensor first = model->read(tensor({{1}}, TensorOptions(kLong)), *memory);
    for (size_t i = 0; i < logits.size(); ++i) {
      CHECK(first[0][static_cast<int64_t>(i)].item<double>() == doctest::Approx(logits[i]).epsilon(1e-4));
    }
    const std::string bytes = file_of(folder + "/stories260K.bin");
    CHECK(mentions(message_of([&] { llama2c_from_bytes(bytes.data(), bytes.size() / 2); }), "the header asks for"));
  }
}
