#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/nn/functional/normalization.h>
#include <fulmen/nn/models/bert.h>
#include <fulmen/tensor/safetensors.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/message_of.h"
#include "tests/paths.h"

using namespace fulmen;
using namespace fulmen::nn;
using namespace fulmen::testing;

namespace {

using Json = nlohmann::json;

BertOptions small_options() {
  return BertOptions(29, 16, 2, 4, 24)
      .max_position_embeddings(12)
      .hidden_dropout_prob(0)
      .attention_probs_dropout_prob(0);
}

/// record_bert.py's model: the same numbers from the same seed.
Bert small_bert() {
  Bert model(small_options());
  manual_seed(5);
  NoGradGuard no_grad;
  for (auto& item : model->named_parameters()) {
    const bool scale = item.key().ends_with("LayerNorm.weight");
    item.value().copy_(randn(item.value().sizes()) * 0.3 + (scale ? 1 : 0));
  }
  model->eval();
  return model;
}

void check_rows(const Tensor& found, const Json& expected) {
  REQUIRE(found.size(0) == static_cast<int64_t>(expected.size()));
  for (size_t row = 0; row < expected.size(); ++row) {
    const Tensor wanted = tensor(expected[row].get<std::vector<double>>()).to(kFloat);
    CHECK((found[static_cast<int64_t>(row)] - wanted).abs().max().item<double>() < 1e-5);
  }
}

std::string new_folder(const std::string& name) {
  const std::string folder = bin_dir() + "/" + name;
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

void write(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

Safetensors file_of(const Bert& model, const std::string& prefix = "") {
  Safetensors file;
  for (const auto& item : model->state_dict()) file.tensors.emplace_back(prefix + item.key(), item.value());
  return file;
}

const std::string config = R"({"model_type": "bert", "hidden_act": "gelu", "vocab_size": 29, "hidden_size": 16,
  "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 24, "max_position_embeddings": 12})";

}  // namespace

TEST_SUITE("nn") {
  TEST_CASE("Bert: names, vectors, embeddings and gradients are those of Hugging Face's BertModel") {
    const Json recorded = Json::parse(std::ifstream(source_dir() + "/tests/nn/bert.json"));
    Bert model = small_bert();
    std::vector<std::string> names;
    for (const auto& item : model->named_parameters()) names.push_back(item.key());
    CHECK(names == recorded["names"].get<std::vector<std::string>>());
    const Tensor ids = randint(1, 29, {4, 12}, TensorOptions(kLong)), types = randint(2, {4, 12}, TensorOptions(kLong));
    const Tensor mask = arange(12).unsqueeze(0) < tensor({7, 12, 1, 4}).unsqueeze(1);
    const Tensor hidden = model->forward(ids * mask, mask, types);
    CHECK(hidden.masked_select(mask.logical_not().unsqueeze(-1)).abs().sum().item<double>() == 0);
    check_rows(hidden.select(1, 0), recorded["first token"]);
    const Tensor pooled = model->pool(hidden), embeddings = functional::normalize(mean_of_tokens(hidden, mask));
    check_rows(pooled, recorded["pooled"]);
    check_rows(embeddings, recorded["embeddings"]);
    (embeddings.select(1, 3).sum() + pooled.select(1, 2).square().sum()).backward();
    size_t i = 0;
    for (const Tensor& weight : model->parameters()) {
      const double norm = recorded["gradient norms"][i++].get<double>();
      CHECK(std::abs(weight.grad().norm().item<double>() - norm) < 1e-4 * norm + 1e-5);
    }
  }

  TEST_CASE("Bert: a text's embedding does not depend on the batch it is in, nor on what padding holds") {
    Bert model = small_bert();
    const Tensor ids = randint(29, {3, 9}, TensorOptions(kLong));
    const Tensor mask = arange(9).unsqueeze(0) < tensor({4, 9, 2}).unsqueeze(1);
    const Tensor together = model->sentence_embeddings(ids, mask);
    CHECK(model->sentence_embeddings(ids.masked_fill(mask.logical_not(), 7), mask).equal(together));
    for (int64_t row = 0; row < 3; ++row) {
      const int64_t length = row == 0 ? 4 : row == 1 ? 9 : 2;
      const Tensor alone = model->sentence_embeddings(ids.narrow(0, row, 1).narrow(1, 0, length));
      CHECK(alone[0].allclose(together[row], 1e-5, 1e-6));
      CHECK(together[row].norm().item<double>() == doctest::Approx(1));
    }
    // A text without any token.
    const Tensor none = model->sentence_embeddings(ids, mask.logical_and(tensor({{1}, {0}, {1}}) == 1));
    CHECK(none[1].abs().sum().item<double>() == 0);
    CHECK(none[2].allclose(together[2], 1e-5, 1e-6));
  }

  TEST_CASE("Bert: hidden states are what its parts give, and zero at padding") {
    Bert model = small_bert();
    const Tensor ids = randint(29, {3, 7}, TensorOptions(kLong));
    const Tensor mask = arange(7) < tensor({{7}, {3}, {5}});
    const std::vector<Tensor> states = model->hidden_states(ids, mask);
    REQUIRE(states.size() == 3);
    CHECK(states[2].equal(model->forward(ids, mask)));
    const TokenPlaces places(3, 7, mask);
    Tensor x = model->embeddings(places.pack(ids.reshape({-1})), places.positions(ids), Tensor());
    for (size_t i = 0; i < states.size(); ++i) {
      if (i > 0) x = model->layers[i - 1]->as<BertLayer>()->forward(x, places);
      CHECK(states[i].equal(places.unpack(x) * mask.unsqueeze(-1)));
    }
    const Tensor means = model->layer_means(ids, mask);
    CHECK(means.sizes() == IntArrayRef({3, 48}));
    CHECK(means.narrow(1, 16, 16).equal(mean_of_tokens(states[1], mask)));
    CHECK(means[1].allclose(model->layer_means(ids.narrow(0, 1, 1).narrow(1, 0, 3))[0], 1e-5, 1e-6));
  }

  TEST_CASE("Bert: a clone has the same values, and trains on its own") {
    Bert model = small_bert();
    const auto copy = std::dynamic_pointer_cast<BertImpl>(model->clone());
    const Tensor ids = randint(29, {2, 5}, TensorOptions(kLong));
    CHECK(copy->forward(ids).equal(model->forward(ids)));
    const Tensor before = model->forward(ids);
    NoGradGuard no_grad;
    for (Tensor& weight : copy->parameters()) weight.mul_(0.5);
    CHECK(model->forward(ids).equal(before));
    CHECK(!copy->forward(ids).allclose(before, 1e-3, 1e-3));
  }

  TEST_CASE("Bert: loads Hugging Face's folders") {
    Bert model = small_bert();
    const Tensor ids = randint(29, {2, 5}, TensorOptions(kLong));
    const std::string folder = new_folder("bert_folder");
    write(folder + "/config.json", config);
    for (const std::string prefix : {"", "bert."}) {
      Safetensors file = file_of(model, prefix);
      file.tensors.emplace_back(prefix + "embeddings.position_ids", zeros({1, 12}, TensorOptions(kLong)));
      if (!prefix.empty()) file.tensors.emplace_back("cls.predictions.bias", zeros({29}));
      save_safetensors(folder + "/model.safetensors", file);
      Bert loaded = load_bert(folder);
      CHECK(!loaded->is_training());
      CHECK(loaded->options.layer_norm_eps() == 1e-12);
      CHECK(loaded->forward(ids).equal(model->forward(ids)));
    }
    Safetensors without_pooler = file_of(model);
    without_pooler.tensors.resize(without_pooler.tensors.size() - 2);
    save_safetensors(folder + "/model.safetensors", without_pooler);
    CHECK(load_bert(folder)->forward(ids).equal(model->forward(ids)));
  }

  TEST_CASE("Bert: what is wrong with a folder or an input is said") {
    const std::string folder = new_folder("bert_folder_wrong");
    const auto message = [&] { return message_of([&] { load_bert(folder); }); };
    CHECK(mentions(message(), "config.json: cannot open the file"));
    const auto with = [&](const std::string& from, const std::string& to) {
      std::string changed = config;
      changed.replace(changed.find(from), from.size(), to);
      write(folder + "/config.json", changed);
      return message();
    };
    CHECK(mentions(with("{", "["), "no configuration"));
    CHECK(mentions(with("\"bert\"", "\"gpt2\""), "'model_type' is \"gpt2\"; expected \"bert\""));
    CHECK(mentions(with("\"gelu\"", "\"relu\""), "'hidden_act' is \"relu\""));
    CHECK(mentions(with("\"vocab_size\": 29,", ""), "'vocab_size' is missing"));
    CHECK(mentions(with("29", "0"), "'vocab_size' is 0"));
    CHECK(mentions(with("29", "\"many\""), "'vocab_size' is \"many\"; expected a number"));
    CHECK(mentions(with("16", "18"), "must be a multiple of num_attention_heads"));
    CHECK(mentions(with("29", "29"), "model.safetensors"));
    save_safetensors(folder + "/model.safetensors", file_of(small_bert()));
    CHECK(message() == "no error");
    const std::string other = with("16", "32");
    CHECK(mentions(other, "of another shape"));
    CHECK(mentions(other, "model.safetensors"));
    Bert model = small_bert();
    const Tensor ids = zeros({2, 13}, TensorOptions(kLong)), few = zeros({2, 5}, TensorOptions(kLong));
    CHECK(mentions(message_of([&] { model->forward(ids); }), "n <= 12"));
    CHECK(mentions(message_of([&] { model->forward(few, ones({2, 5})); }), "the mask must be bool"));
    CHECK(mentions(message_of([&] { model->forward(few, {}, ids); }), "token_types"));
  }
}
