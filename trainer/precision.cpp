#include <fulmen/tensor/error.h>
#include <fulmen/tensor/warning.h>
#include <fulmen/trainer/precision.h>

namespace fulmen::trainer {
namespace {

struct Form {
  const char *words, *short_form;
  std::optional<ScalarType> parameters, lower;
};
const Form forms[] = {
    {"32-true", "32", {}, {}},     {"64-true", "64", kDouble, {}},   {"bf16-mixed", "bf16", {}, kBFloat16},
    {"16-mixed", "16", {}, kHalf}, {"bf16-true", "", kBFloat16, {}}, {"16-true", "", kHalf, {}},
};

const Form& form_of(const std::string& words) {
  for (const Form& form : forms) {
    if (words == form.words || (!words.empty() && words == form.short_form)) return form;
  }
  throw Error("E016", "precision is \"" + words + "\", which is no value of this option",
              "32-true, 64-true, bf16-mixed, 16-mixed, bf16-true or 16-true");
}

}  // namespace

bool is_16_mixed(const std::string& words) { return form_of(words).lower == kHalf; }

Precision::Precision(const std::string& words, Device device) : device_(device) {
  const Form& form = form_of(words);
  parameters_ = form.parameters;
  lower_ = form.lower;
  if (lower_ != kHalf) return;
  if (device.is_cpu()) {
    warn("precision 16-mixed is for CUDA; this run uses bf16-mixed, because it is on a CPU");
    lower_ = kBFloat16;
  } else {
    scaler_.emplace();
  }
}

Precision::Scope::Scope(const Precision& precision) {
  if (precision.lower_) autocast_.emplace(precision.device_.type(), *precision.lower_);
  if (precision.parameters_) {
    default_before_ = get_default_dtype();
    set_default_dtype(*precision.parameters_);
  }
}

Precision::Scope::~Scope() {
  if (default_before_) set_default_dtype(*default_before_);
}

}  // namespace fulmen::trainer
