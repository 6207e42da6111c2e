#include <fulmen/autograd/autocast.h>
#include <fulmen/nn/check.h>
#include <fulmen/nn/type_name.h>

namespace fulmen::nn {
namespace {

[[noreturn]] void throw_in_module(const Module& module, const char* code, std::string message, std::string fix) {
  Error error(code, std::move(message), std::move(fix));
  error.set_module(&module, short_type_name(typeid(module)));
  throw error;
}

[[noreturn]] void wrong_features(const Module& module, const Tensor& input, const Tensor& weight) {
  const std::string name = short_type_name(typeid(module));
  const int64_t in = weight.size(1), out = weight.size(0);
  const std::string taken =
      str(name, "(", in, " → ", out, ") takes ", weight.scalar_type(), "[*, ", in, "]; got ", input);
  if (input.dim() == 0) throw_in_module(module, "E001", taken, "reshape the number to [1, " + std::to_string(in) + "]");
  const int64_t got = input.size(-1);
  throw_in_module(module, "E001", taken,
                  str("the input has ", got, " features: construct ", name, "(", got, ", ", out, ")",
                      got > in ? str(" or select ", in, " columns") : std::string()));
}

}  // namespace

void check_features(const Module& module, const Tensor& input, const Tensor& weight) {
  const int64_t dims = input.dim();
  if (dims == 0 || input.size(dims - 1) != weight.size(1)) [[unlikely]]
    wrong_features(module, input, weight);
  if (input.scalar_type() != weight.scalar_type() && !autocast::converts(input, weight)) [[unlikely]] {
    throw_in_module(module, "E002",
                    str(short_type_name(typeid(module)), " takes ", weight.scalar_type(), "; got ", input,
                        " (weights are ", weight.scalar_type(), ")"),
                    weight.scalar_type() == kFloat
                        ? "convert with .to(kFloat) where the batch is made"
                        : str("convert the input with .to(", weight.scalar_type(), "), or the module with module->to(",
                              input.scalar_type(), ")"));
  }
}

void check_same_shape(const char* loss, const Tensor& input, const Tensor& target) {
  if (input.sizes() == target.sizes()) [[likely]]
    return;
  std::string fix = "shapes are not broadcast in losses: give the target the prediction's shape";
  if (input.dim() == target.dim() + 1 && input.size(-1) == 1) {
    fix = "squeeze(-1) the prediction; shapes are not broadcast in losses";
  } else if (target.dim() == input.dim() + 1 && target.size(-1) == 1) {
    fix = "squeeze(-1) the target; shapes are not broadcast in losses";
  } else if (input.numel() == target.numel()) {
    fix = "reshape one of them (view_as); shapes are not broadcast in losses";
  }
  throw Error("E007", str(loss, ": prediction ", input, " and target ", target, " must have the same shape"), fix);
}

}  // namespace fulmen::nn
