#include <doctest/doctest.h>
#include <fulmen/autograd/ops/copy.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/random.h>
#include <fulmen/autograd/ops/tensor_data.h>
#include <tests/tensor/support.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

using namespace fulmen;
using namespace fulmen::testing;
using nlohmann::json;

TEST_SUITE_BEGIN("tensor");

namespace {

std::string fnv1a(const Tensor& x) {
  uint64_t h = 0xcbf29ce484222325u;
  const Tensor dense = x.contiguous();
  const auto* bytes = static_cast<const unsigned char*>(dense.data_ptr());
  for (size_t i = 0; i < dense.nbytes(); ++i) h = (h ^ bytes[i]) * 0x100000001b3u;
  char text[20];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(h));
  return text;
}

Tensor dropout_of_ones(IntArrayRef sizes, const TensorOptions& options, double p) {
  return empty(sizes, options).bernoulli_(1 - p).div_(1 - p);
}

Tensor made_by(const json& call) {
  const std::string op = call["op"];
  const TensorOptions options(dtype_from_name(call["dtype"].get<std::string>()));
  std::vector<int64_t> sizes;
  if (call.contains("shape")) sizes = call["shape"].get<std::vector<int64_t>>();
  if (op == "rand") return rand(sizes, options);
  if (op == "randn") return randn(sizes, options);
  if (op == "randint") return randint(call["low"].get<int64_t>(), call["high"].get<int64_t>(), sizes, options);
  if (op == "randperm") return randperm(call["n"].get<int64_t>(), options);
  if (op == "dropout") return dropout_of_ones(sizes, options, call["p"]);
  Tensor out = empty(sizes, options);
  if (op == "bernoulli_tensor") return bernoulli(linspace(0, 1, out.numel(), options).reshape(sizes));
  if (op == "multinomial") {
    const Tensor weights = tensor(call["weights"].get<std::vector<double>>(), options);
    return weights.multinomial(call["num_samples"].get<int64_t>(), call["replacement"].get<bool>());
  }
  if (op == "uniform_") return out.uniform_(call["from"], call["to"]);
  if (op == "normal_") return out.normal_(call["mean"], call["std"]);
  if (op == "bernoulli_") return out.bernoulli_(call["p"].get<double>());
  if (op == "exponential_") return out.exponential_(call["lambd"]);
  if (op == "random_") return out.random_();
  if (op == "random_to_") return out.random_(call["to"].get<int64_t>());
  if (op == "random_from_to_") return out.random_(call["from"].get<int64_t>(), call["to"].get<int64_t>());
  FAIL("unknown operation " << op);
  return out;
}

// The fixture gives the shortest decimals that bring the dtype's number back.
void check_values(const Tensor& x, const json& expected, int64_t first, double tolerance) {
  std::vector<double> listed;
  for (const json& v : expected) listed.push_back(as_number(v));
  const Tensor want = tensor(listed, kDouble).to(x.scalar_type()).to(kDouble), got = x.to(kDouble).flatten();
  for (size_t i = 0; i < listed.size(); ++i) {
    const double w = want.data_ptr<double>()[i], g = got.data_ptr<double>()[first + static_cast<int64_t>(i)];
    CHECK(std::abs(g - w) <= tolerance);
  }
}

void check_call(const json& call) {
  if (call["op"] == "manual_seed") return manual_seed(call["seed"].get<uint64_t>());
  const Tensor x = made_by(call);
  CHECK(x.numel() == call["numel"].get<int64_t>());
  const double tolerance = call.contains("tolerance") ? call["tolerance"].get<double>() : 0;
  if (call.contains("values")) check_values(x, call["values"], 0, tolerance);
  if (call.contains("head")) {
    check_values(x, call["head"], 0, tolerance);
    check_values(x, call["tail"], x.numel() - 4, tolerance);
  }
  if (call.contains("fnv1a")) CHECK(fnv1a(x) == call["fnv1a"].get<std::string>());
}

}  // namespace

TEST_CASE("the random stream is PyTorch's") {
  const json recorded = fixture("random.json");
  for (const json& one : recorded["cases"]) {
    manual_seed(one["seed"].get<uint64_t>());
    int position = 0;
    for (const json& call : one["calls"]) {
      CAPTURE(one["name"].get<std::string>());
      CAPTURE(position);
      ++position;
      CAPTURE(call["op"].get<std::string>());
      check_call(call);
    }
  }
}

TEST_SUITE_END();
