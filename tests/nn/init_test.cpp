#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/nn/nn.h>
#include <tests/paths.h>

#include <fstream>
#include <nlohmann/json.hpp>

// Initial values against PyTorch's, number by number (tests/fixtures/init.json, made by record_random.py).

using namespace fulmen;
using Json = nlohmann::json;

namespace {

Json fixture() {
  std::ifstream in(testing::source_dir() + "/tests/fixtures/init.json");
  return Json::parse(in);
}

std::shared_ptr<nn::Module> make_layer(const Json& layer) {
  const std::string kind = layer["layer"];
  const auto arg = [&](size_t i) { return layer["arguments"][i].get<int64_t>(); };
  const Json& options = layer["options"];
  if (options.contains("dtype")) return nullptr;  // a layer is made in the default dtype
  if (kind == "Linear") return nn::Linear(nn::LinearOptions(arg(0), arg(1)).bias(options.value("bias", true))).ptr();
  if (kind == "Bilinear") return nn::Bilinear(arg(0), arg(1), arg(2)).ptr();
  if (kind == "LayerNorm") return nn::LayerNorm(std::vector<int64_t>{arg(0)}).ptr();
  if (kind == "BatchNorm1d") return nn::BatchNorm1d(arg(0)).ptr();
  if (kind == "Conv1d") return nn::Conv1d(arg(0), arg(1), arg(2)).ptr();
  if (kind == "Conv2d") {
    const int64_t groups = options.value("groups", 1);
    return nn::Conv2d(nn::Conv2dOptions(arg(0), arg(1), arg(2)).groups(groups).bias(options.value("bias", true))).ptr();
  }
  if (kind == "ConvTranspose2d") return nn::ConvTranspose2d(arg(0), arg(1), arg(2)).ptr();
  if (kind == "Embedding") {
    nn::EmbeddingOptions embedding(arg(0), arg(1));
    if (options.contains("padding_idx")) embedding.padding_idx(options["padding_idx"].get<int64_t>());
    return nn::Embedding(embedding).ptr();
  }
  if (kind == "Mlp") return nn::Sequential{nn::Linear(arg(0), arg(1)), nn::ReLU(), nn::Linear(arg(1), arg(2))}.ptr();
  return nullptr;  // layers that do not exist yet
}

nn::init::Nonlinearity nonlinearity(const std::string& name) {
  if (name == "relu") return kReLU;
  if (name == "tanh") return kTanh;
  if (name == "sigmoid") return kSigmoid;
  if (name == "linear") return kLinear;
  if (name == "conv2d") return kConv2D;
  if (name == "selu") return kSELU;
  return kLeakyReLU;
}

Tensor initialise(const Json& row) {
  const std::string name = row["init"];
  const Json& o = row["options"];
  const Tensor t = fulmen::empty(row["shape"].get<std::vector<int64_t>>());
  const auto number = [&](const char* key, double otherwise) { return o.value(key, otherwise); };
  const nn::init::FanMode mode = o.value("mode", "fan_in") == "fan_in" ? nn::init::FanMode(kFanIn) : kFanOut;
  const nn::init::Nonlinearity kind = nonlinearity(o.value("nonlinearity", "leaky_relu"));
  if (name == "uniform_") return nn::init::uniform_(t, number("a", 0), number("b", 1));
  if (name == "normal_") return nn::init::normal_(t, number("mean", 0), number("std", 1));
  if (name == "trunc_normal_") {
    return nn::init::trunc_normal_(t, number("mean", 0), number("std", 1), number("a", -2), number("b", 2));
  }
  if (name == "constant_") return nn::init::constant_(t, number("val", 0));
  if (name == "ones_") return nn::init::ones_(t);
  if (name == "zeros_") return nn::init::zeros_(t);
  if (name == "eye_") return nn::init::eye_(t);
  if (name == "dirac_") return nn::init::dirac_(t, o.value("groups", 1));
  if (name == "xavier_uniform_") return nn::init::xavier_uniform_(t, number("gain", 1));
  if (name == "xavier_normal_") return nn::init::xavier_normal_(t, number("gain", 1));
  if (name == "kaiming_uniform_") return nn::init::kaiming_uniform_(t, number("a", 0), mode, kind);
  if (name == "kaiming_normal_") return nn::init::kaiming_normal_(t, number("a", 0), mode, kind);
  if (name == "orthogonal_") return nn::init::orthogonal_(t, number("gain", 1));
  if (name == "sparse_") return nn::init::sparse_(t, number("sparsity", 0), number("std", 0.01));
  FAIL("no initialiser ", name);
  return t;
}

// The largest difference from the recorded numbers.
double difference(const Tensor& got, const Json& expected) {
  const Tensor flat = got.detach().to(kDouble).contiguous();
  REQUIRE(flat.numel() == static_cast<int64_t>(expected.size()));
  double largest = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    // Numbers are recorded with as many digits as give the float back.
    const double value = got.scalar_type() == kFloat ? expected[i].get<float>() : expected[i].get<double>();
    largest = std::max(largest, std::abs(flat.data_ptr<double>()[i] - value));
  }
  return largest;
}

}  // namespace

TEST_SUITE_BEGIN("nn");

TEST_CASE("layers start with PyTorch's values, names and order") {
  const Json recorded = fixture();
  int tested = 0;
  for (const Json& layer : recorded["layers"]) {
    CAPTURE(layer["layer"].get<std::string>());
    manual_seed(0);
    const auto module = make_layer(layer);
    if (!module) continue;
    ++tested;
    const auto state = module->state_dict();
    CHECK(state.size() == layer["state"].size());
    for (const auto& item : layer["state"].items()) {
      const std::string name = item.key();
      const Json& tensor = item.value();
      CAPTURE(name);
      REQUIRE(state.contains(name));
      CHECK(state[name].sizes() == IntArrayRef(tensor["shape"].get<std::vector<int64_t>>()));
      // Uniform numbers are PyTorch's to the bit, normal ones to the logarithm's last bits.
      CHECK(difference(state[name], tensor["values"]) <= (layer["layer"] == "Embedding" ? 1e-6 : 0));
    }
    CHECK(difference(rand({1}), layer["next"]) == 0);
  }
  CHECK(tested >= 12);
}

TEST_CASE("nn::init gives PyTorch's values and leaves the stream where PyTorch does") {
  const Json recorded = fixture();
  for (const Json& row : recorded["init"]) {
    const std::string name = row["init"];
    CAPTURE(name);
    if (name == "calculate_gain") {
      for (const auto& [kind, gain] : row["gains"].items()) {
        CHECK(nn::init::calculate_gain(nonlinearity(kind)) == doctest::Approx(gain.get<double>()).epsilon(1e-12));
      }
      continue;
    }
    manual_seed(0);
    const Tensor t = initialise(row);
    CHECK(difference(t, row["values"]) <= row["tolerance"].get<double>());
    CHECK(difference(rand({1}), row["next"]) == 0);
  }
}

TEST_CASE("nn::init writes into parameters without recording") {
  const Tensor t = empty({3, 4}).set_requires_grad(true);
  CHECK(nn::init::ones_(t).sum().item<float>() == 12);
  CHECK(t.is_leaf());
}

TEST_SUITE_END();
