#pragma once
#include <fulmen/nn/module.h>

#include "tests/conformance/case.h"

// Modules against cases recorded from PyTorch (modules.jsonl, modules.safetensors): constructor arguments, state,
// inputs, outputs and the gradients of parameters, in float64.
namespace conformance {

struct BuiltModule {
  std::shared_ptr<nn::Module> module;
  std::function<Tensors(const Arguments&)> forward;
};
/// From constructor arguments.
using Builders = std::map<std::string, std::function<BuiltModule(const Arguments&)>>;

/// Attention, transformers, recurrent layers, norms of rows.
void add_sequence_modules(Builders& builders);
/// Convolutions, pooling, padding, norms of channels.
void add_vision_modules(Builders& builders);

/// Runs all cases whose module's name contains `filter`; prints what failed and a line with the sums. 1 if any failed.
int run_modules(const std::string& folder, const std::string& filter, bool verbose);

}  // namespace conformance
