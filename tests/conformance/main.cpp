#include <fulmen/autograd/engine.h>
#include <fulmen/autograd/ops/copy.h>
#include <tests/paths.h>

#include <cmath>
#include <cstdio>
#include <fstream>

#include "tests/conformance/case.h"
#include "tests/conformance/modules.h"

// Fulmen against reference cases recorded from PyTorch (ops.jsonl, ops.safetensors): values for every dtype given, and
// gradients. Cases of operations that are not there are skipped by name.
//   conformance [--filter NAME] [--verbose]
namespace conformance {

namespace {

struct Tolerance {
  double relative, absolute;
};
// Those of torch.testing.assert_close.
Tolerance tolerance_of(ScalarType t) {
  switch (t) {
    case kDouble:
      return {1e-7, 1e-7};
    case kFloat:
      return {1.3e-6 * 4, 1e-5};
    case kBFloat16:
      return {1.6e-2, 1e-5};
    case kHalf:
      return {1e-3, 1e-5};
    default:
      return {0, 0};
  }
}

std::string compare(const std::string& what, const Tensor& got, const Tensor& expected) {
  if (!got.defined()) return what + " is undefined";
  if (got.sizes() != expected.sizes()) return str(what, " has sizes ", got.sizes(), ", expected ", expected.sizes());
  if (got.scalar_type() != expected.scalar_type()) {
    return str(what, " has dtype ", got.scalar_type(), ", expected ", expected.scalar_type());
  }
  Tensor a = got.detach().to(kDouble).contiguous(), b = expected.to(kDouble).contiguous();
  const double *x = a.data_ptr<double>(), *y = b.data_ptr<double>();
  Tolerance tolerance = tolerance_of(expected.scalar_type());
  for (int64_t i = 0; i < a.numel(); ++i) {
    bool same = x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i])) ||
                std::fabs(x[i] - y[i]) <= tolerance.absolute + tolerance.relative * std::fabs(y[i]);
    if (!same) return str(what, ", element ", i, ": ", x[i], ", expected ", y[i]);
  }
  return "";
}

class Suite {
 public:
  explicit Suite(const std::string& folder) {
    for (auto& [name, tensor] : load_safetensors(folder + "/ops.safetensors").tensors) tensors_[name] = tensor;
    add_elementwise(operations_);
    add_reductions(operations_);
    add_shapes(operations_);
    add_layers(operations_);
    add_vision(operations_);
  }

  /// Empty if the case gives what PyTorch gave.
  std::string run(const Json& line) const {
    auto found = operations_.find(line["op"].get<std::string>());
    if (found == operations_.end()) throw NotThere{"the operation"};
    Arguments arguments(line, tensors_);
    Tensors outputs = found->second(arguments);
    arguments.check_all_used();
    const Json& expected = line["out"];
    if (outputs.size() != expected.size()) return str(outputs.size(), " outputs, expected ", expected.size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      std::string wrong = compare(str("output ", i), outputs[i], tensors_.at(expected[i]));
      if (!wrong.empty()) return wrong;
    }
    return line.contains("grads") ? gradients(line, arguments, outputs) : "";
  }

 private:
  std::string gradients(const Json& line, const Arguments& arguments, const Tensors& outputs) const {
    bool any = false;
    for (const auto& [position, key] : line["grads"].items()) any = any || !key.is_null();
    if (!any) return "";
    Tensors roots, weights, leaves;
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (line["grad_out"][i].is_null()) continue;
      if (!outputs[i].requires_grad()) return str("output ", i, " does not require grad");
      roots.push_back(outputs[i]);
      weights.push_back(tensors_.at(line["grad_out"][i]));
    }
    for (const auto& [position, leaf] : arguments.leaves()) leaves.push_back(leaf);
    Tensors gradients = autograd::grad(roots, leaves, weights, false, false, true);
    size_t k = 0;
    for (const auto& [position, leaf] : arguments.leaves()) {
      const Json& key = line["grads"][std::to_string(position)];
      const Tensor& gradient = gradients[k++];
      // No gradient and an empty one are alike.
      if (key.is_null() || (!gradient.defined() && tensors_.at(key).numel() == 0)) continue;
      std::string wrong = compare(str("gradient of tensor argument ", position), gradient, tensors_.at(key));
      if (!wrong.empty()) return wrong;
    }
    return "";
  }

  std::map<std::string, Tensor> tensors_;
  Operations operations_;
};

int run(const std::string& folder, const std::string& filter, bool verbose) {
  std::ifstream lines(folder + "/ops.jsonl");
  if (folder.empty() || !lines) {
    std::puts("skipped: the reference cases are not there (shared/conformance/ops.jsonl)");
    std::puts("0 passed, 0 failed, 1 skipped");
    return 0;
  }
  Suite suite(folder);
  int passed = 0, failed = 0, skipped = 0, number = 0;
  std::map<std::string, int> absent;
  for (std::string text; std::getline(lines, text);) {
    ++number;
    Json line = Json::parse(text);
    const std::string op = line["op"], dtype = line["dtype"];
    if (op.find(filter) == std::string::npos) continue;
    std::string wrong;
    try {
      wrong = suite.run(line);
    } catch (const NotThere& reason) {
      ++skipped;
      ++absent[op + ": " + reason.what];
      continue;
    } catch (const std::exception& e) {
      wrong = e.what();
    }
    wrong.empty() ? ++passed : ++failed;
    if (!wrong.empty()) std::printf("FAIL line %d, %s %s: %s\n", number, op.c_str(), dtype.c_str(), wrong.c_str());
    if (!wrong.empty() && verbose) std::printf("     %s\n", text.c_str());
  }
  for (const auto& [what, count] : absent) std::printf("not there: %s (%d cases)\n", what.c_str(), count);
  std::printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed > 0;
}

}  // namespace
}  // namespace conformance

int main(int argc, char** argv) {
  std::string filter;
  bool verbose = false;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (word == "--filter" && i + 1 < argc) {
      filter = argv[++i];
    } else if (word == "--verbose") {
      verbose = true;
    } else {
      std::puts("conformance [--filter NAME] [--verbose]");
      return 2;
    }
  }
  std::string shared = fulmen::testing::shared_dir();
  const std::string folder = shared.empty() ? "" : shared + "/conformance";
  const int modules = conformance::run_modules(folder, filter, verbose);
  return conformance::run(folder, filter, verbose) | modules;
}
