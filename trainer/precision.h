#pragma once
#include <fulmen/autograd/autocast.h>
#include <fulmen/optim/grad_scaler.h>

#include <optional>
#include <string>

namespace fulmen::trainer {

/// What `TrainerOptions::precision` means on a device, in Lightning's words:
///   "32-true"     everything as it is
///   "64-true", "bf16-true", "16-true"   parameters, batches and new tensors of this type
///   "bf16-mixed", "16-mixed"            float32 parameters, steps under Autocast; with float16 on CUDA the loss is
///   scaled
/// "64", "32", "16" and "bf16" are short for 64-true, 32-true, 16-mixed and bf16-mixed.
class Precision {
 public:
  Precision() = default;
  /// Throws E016 for another word. On a CPU "16-mixed" is "bf16-mixed", with a warning, as in Lightning.
  Precision(const std::string& words, Device device);

  /// The type of parameters and batches; empty: they are left as they are.
  const std::optional<ScalarType>& converts_to() const { return parameters_; }
  /// Of this fit; null if losses are not scaled.
  optim::GradScaler* scaler() { return scaler_ ? &*scaler_ : nullptr; }
  const optim::GradScaler* scaler() const { return scaler_ ? &*scaler_ : nullptr; }

  /// Around every step: autocast, or the default type of new tensors.
  class Scope {
   public:
    explicit Scope(const Precision& precision);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    std::optional<Autocast> autocast_;
    std::optional<ScalarType> default_before_;
  };

 private:
  Device device_{DeviceType::CPU};
  std::optional<ScalarType> parameters_, lower_;
  std::optional<optim::GradScaler> scaler_;
};

/// Whether these words ask for float16 steps, whose loss is scaled on CUDA. Throws E016 if they are none of the above.
bool is_16_mixed(const std::string& words);

}  // namespace fulmen::trainer
