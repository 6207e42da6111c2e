#include "tests/conformance/modules.h"

#include <fulmen/autograd/engine.h>
#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops/copy.h>

#include <cmath>
#include <cstdio>
#include <fstream>

namespace conformance {

namespace {

std::string compare(const std::string& what, const Tensor& got, const Tensor& expected) {
  if (!got.defined()) return what + " is undefined";
  if (got.sizes() != expected.sizes()) return str(what, " has sizes ", got.sizes(), ", expected ", expected.sizes());
  const Tensor a = got.detach().to(kDouble).contiguous(), b = expected.to(kDouble).contiguous();
  const double *x = a.data_ptr<double>(), *y = b.data_ptr<double>();
  for (int64_t i = 0; i < a.numel(); ++i) {
    const bool same = x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i])) ||
                      std::fabs(x[i] - y[i]) <= 1e-8 + 1e-7 * std::fabs(y[i]);
    if (!same) return str(what, ", element ", i, ": ", x[i], ", expected ", y[i]);
  }
  return "";
}

class ModuleSuite {
 public:
  explicit ModuleSuite(const std::string& folder) {
    for (auto& [name, tensor] : load_safetensors(folder + "/modules.safetensors").tensors) tensors_[name] = tensor;
    add_sequence_modules(builders_);
    add_vision_modules(builders_);
  }

  /// Empty if the case gives what PyTorch gave.
  std::string run(const Json& line) const {
    auto builder = builders_.find(line["module"].get<std::string>());
    if (builder == builders_.end()) throw NotThere{"the module"};
    const Arguments constructor(line["ctor"], tensors_), inputs(line["inputs"], tensors_);
    BuiltModule built = builder->second(constructor);
    constructor.check_all_used();
    built.module->to(kDouble);
    built.module->train(line["training"].get<bool>());
    std::string wrong = load(*built.module, line["state"]);
    if (!wrong.empty()) return wrong;
    const Tensors outputs = built.forward(inputs);
    inputs.check_all_used();
    if (outputs.size() != line["out"].size()) return str(outputs.size(), " outputs, expected ", line["out"].size());
    for (size_t i = 0; i < outputs.size() && wrong.empty(); ++i)
      wrong = compare(str("output ", i), outputs[i], tensors_.at(line["out"][i]));
    if (wrong.empty() && line.contains("grad_out")) wrong = gradients(line, *built.module, outputs);
    return wrong;
  }

 private:
  std::string load(nn::Module& module, const Json& state) const {
    NoGradGuard constant;
    size_t found = 0;
    for (auto& parameter : module.named_parameters()) {
      if (!state.contains(parameter.key())) return "PyTorch has no parameter " + parameter.key();
      parameter.value().copy_(tensors_.at(state[parameter.key()]));
      ++found;
    }
    for (auto& buffer : module.named_buffers()) {
      if (!state.contains(buffer.key())) return "PyTorch has no buffer " + buffer.key();
      buffer.value().copy_(tensors_.at(state[buffer.key()]));
      ++found;
    }
    return found == state.size() ? "" : str(found, " parameters and buffers, expected ", state.size());
  }

  std::string gradients(const Json& line, nn::Module& module, const Tensors& outputs) const {
    Tensors roots, slopes, leaves;
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (line["grad_out"][i].is_null()) continue;
      if (!outputs[i].requires_grad()) return str("output ", i, " does not require grad");
      roots.push_back(outputs[i]);
      slopes.push_back(tensors_.at(line["grad_out"][i]));
    }
    const auto parameters = module.named_parameters();
    for (const auto& parameter : parameters) leaves.push_back(parameter.value());
    if (leaves.empty()) return "";
    const Tensors found = autograd::grad(roots, leaves, slopes, false, false, true);
    for (size_t k = 0; k < leaves.size(); ++k) {
      const std::string& name = parameters[k].key();
      const Json& key = line["param_grads"][name];
      if (key.is_null()) continue;
      std::string wrong = compare("gradient of " + name, found[k], tensors_.at(key));
      if (!wrong.empty()) return wrong;
    }
    return "";
  }

  std::map<std::string, Tensor> tensors_;
  Builders builders_;
};

}  // namespace

int run_modules(const std::string& folder, const std::string& filter, bool verbose) {
  std::ifstream file(folder + "/modules.jsonl");
  if (folder.empty() || !file) {
    std::puts("skipped: the reference cases are not there (shared/conformance/modules.jsonl)");
    return 0;
  }
  const ModuleSuite suite(folder);
  std::vector<Json> lines, layers;
  for (std::string text; std::getline(file, text);) lines.push_back(Json::parse(text));
  // A stack was recorded without its layer's arguments: they are those of the layer's own cases, in the same order.
  for (const Json& line : lines) {
    if (line["module"] == "TransformerEncoderLayer") layers.push_back(line["ctor"]);
  }
  size_t stacks = 0;
  int passed = 0, failed = 0, number = 0;
  std::map<std::string, int> absent;
  for (Json& line : lines) {
    ++number;
    const std::string name = line["module"];
    if (name == "TransformerEncoder" && stacks < layers.size()) line["ctor"] = layers[stacks++];
    if (name.find(filter) == std::string::npos) continue;
    std::string wrong;
    try {
      wrong = suite.run(line);
    } catch (const NotThere& reason) {
      ++absent[name + ": " + reason.what];
      continue;
    } catch (const std::exception& e) {
      wrong = e.what();
    }
    wrong.empty() ? ++passed : ++failed;
    if (!wrong.empty()) std::printf("FAIL modules.jsonl, line %d, %s: %s\n", number, name.c_str(), wrong.c_str());
    if (!wrong.empty() && verbose) std::printf("     %s\n", line.dump().c_str());
  }
  int skipped = 0;
  for (const auto& [what, count] : absent) {
    std::printf("not there: %s (%d cases)\n", what.c_str(), count);
    skipped += count;
  }
  std::printf("modules: %d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed > 0;
}

}  // namespace conformance
