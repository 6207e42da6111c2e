#pragma once
#include <fulmen/nn/module.h>
#include <fulmen/trainer/fields.h>

#include <concepts>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fulmen::trainer {

/// A run's whole resumable state, and what a file of it holds: a safetensors file that Python's safetensors opens.
/// Weights have PyTorch's names; the names of all other tensors begin with "__"
/// (`__optim.0.layer.weight.exp_avg`, `__rng.cpu`, `__rng.cuda`, `__sampler`, `__metrics`). Everything else is JSON in
/// the metadata
/// (`fulmen.hparams`, `fulmen.loops`, `fulmen.callbacks`, `fulmen.schedulers`, `fulmen.transforms`, ...), with a
/// checksum.
struct Checkpoint {
  static constexpr int64_t format = 1;

  OrderedDict<std::string, Tensor> weights{"Parameter"};
  OrderedDict<std::string, Tensor> others{"Tensor"};  ///< names without the leading "__"
  std::map<std::string, std::string> metadata;        ///< keys without the leading "fulmen."

  /// The text under a key; empty if there is none.
  const std::string& text(const std::string& key) const;
};

/// Writes a checkpoint so that at any moment either the old file or the new one is there, whole: into a temporary file
/// beside it, fsync, rename, fsync of the directory. Throws if anything fails.
void write_checkpoint(const std::string& path, const Checkpoint& checkpoint);
/// Reads and verifies a checkpoint. A file that was cut short or changed, is no checkpoint, or comes from a newer
/// version is an error that names the file (E015). `weights_only` also takes a plain safetensors file of weights.
Checkpoint read_checkpoint(const std::string& path, bool weights_only = false);

/// Hyperparameters that replace those in a checkpoint: `{{"hidden", "128"}, {"lr", "1e-3"}}`.
using HparamOverrides = std::vector<std::pair<std::string, std::string>>;

class AnyLightningModule;
struct AnyDataModule;
namespace detail {
void restore_hparams(FieldsRef hparams, const Checkpoint& checkpoint, const HparamOverrides& overrides,
                     const std::string& path, const char* key = "hparams");
void restore_module(AnyLightningModule& module, const Checkpoint& checkpoint, const std::string& path, bool strict);
}  // namespace detail

struct LoadOptions {
  /// False loads the weights that fit and leaves the others at their initial values. Not set: the model's
  /// strict_loading.
  std::optional<bool> strict = {};
  /// Where the model shall lie. Whatever device it was trained on, a checkpoint is read on the CPU.
  Device map_location = kCPU;
};

/// A model from a checkpoint: constructed from the hyperparameters in the file, then given its weights and transforms.
/// Names, shapes, or hyperparameters that the model does not have are errors (E013, E014). Also a data module: with its
/// own hyperparameters and its state.
template <class M>
std::shared_ptr<M> load_from_checkpoint(const std::string& path, const HparamOverrides& overrides = {},
                                        const LoadOptions& options = {}) {
  const Checkpoint checkpoint = read_checkpoint(path, true);
  constexpr bool is_data = std::derived_from<M, AnyDataModule>;
  std::shared_ptr<M> module;
  if constexpr (requires { typename M::Hparams; }) {
    typename M::Hparams hparams;
    detail::restore_hparams(hparams, checkpoint, overrides, path, is_data ? "data_module_hparams" : "hparams");
    module = std::make_shared<M>(hparams);
  } else {
    static_assert(std::is_default_constructible_v<M>,
                  "load_from_checkpoint constructs the model: give it a struct Hparams with fields() and a constructor "
                  "that takes it, or a constructor without arguments");
    module = std::make_shared<M>();
  }
  if constexpr (is_data) {
    if (const std::string& state = checkpoint.text("data_module"); !state.empty()) module->load_state_dict(state);
  } else {
    detail::restore_module(*module, checkpoint, path, options.strict.value_or(module->strict_loading));
    if (options.map_location != Device(kCPU)) module->to(options.map_location);
  }
  return module;
}

}  // namespace fulmen::trainer
