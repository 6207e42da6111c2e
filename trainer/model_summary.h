#pragma once
#include <fulmen/trainer/callback.h>

namespace fulmen::nn {
class Module;
}

namespace fulmen::trainer {

/// Prints a table of the model's layers and their numbers of parameters to standard error when a fit begins; with the
/// sizes that each takes and gives if the module has an example_input_array ("?" for a layer whose forward is called
/// directly).
class ModelSummary : public Callback {
 public:
  /// Layers nested deeper than `max_depth` are counted in the one above.
  explicit ModelSummary(int64_t max_depth = 1) : max_depth_(max_depth) {}
  void on_fit_start(Trainer&, Module&) override;
  /// The table as text.
  static std::string table(const nn::Module& module, int64_t max_depth);

 private:
  int64_t max_depth_;
};

}  // namespace fulmen::trainer
