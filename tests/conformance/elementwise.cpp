#include <fulmen/autograd/ops/activation.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/comparison.h>
#include <fulmen/autograd/ops/copy.h>
#include <fulmen/autograd/ops/select.h>
#include <fulmen/autograd/ops/unary.h>

#include "tests/conformance/case.h"

namespace conformance {

namespace {

/// f(tensor, tensor or number), whichever the case has.
template <class F>
Operation pair(F f) {
  return one([f](const Arguments& a) {
    return a.is_tensor(1, "other") ? f(a.tensor(0), a.tensor(1, "other")) : f(a.tensor(0), a.number(1, "other"));
  });
}
#define PAIR(name) ops[#name] = pair([](const Tensor& a, const auto& b) { return name(a, b); })
#define TENSORS(name) ops[#name] = one([](const Arguments& a) { return name(a.tensor(0), a.tensor(1, "other")); })
#define UNARY(name) ops[#name] = one([](const Arguments& a) { return name(a.tensor(0)); })

void add_arithmetic(Operations& ops) {
  auto with_alpha = [](auto f) {
    return one([f](const Arguments& a) {
      Scalar alpha = a.number(a.count(), "alpha", 1);
      return a.is_tensor(1, "other") ? f(a.tensor(0), a.tensor(1, "other"), alpha)
                                     : f(a.tensor(0), a.number(1, "other"), alpha);
    });
  };
  ops["add"] = with_alpha([](const Tensor& a, const auto& b, const Scalar& alpha) { return add(a, b, alpha); });
  ops["sub"] = with_alpha([](const Tensor& a, const auto& b, const Scalar& alpha) { return sub(a, b, alpha); });
  ops["rsub"] = with_alpha([](const Tensor& a, const auto& b, const Scalar& alpha) { return rsub(a, b, alpha); });
  PAIR(mul);
  ops["div"] = one([](const Arguments& a) {
    std::string mode = a.text(a.count(), "rounding_mode", "");
    std::optional<std::string_view> rounding;
    if (!mode.empty()) rounding = mode;
    return a.is_tensor(1, "other") ? div(a.tensor(0), a.tensor(1), rounding)
                                   : div(a.tensor(0), a.number(1, ""), rounding);
  });
  PAIR(floor_divide);
  PAIR(remainder);
  PAIR(fmod);
  ops["pow"] = pair([](const Tensor& a, const auto& b) { return pow(a, b); });
  TENSORS(maximum);
  TENSORS(minimum);
  TENSORS(atan2);
  ops["addcmul"] =
      one([](const Arguments& a) { return addcmul(a.tensor(0), a.tensor(1), a.tensor(2), a.number(3, "value", 1)); });
  ops["addcdiv"] =
      one([](const Arguments& a) { return addcdiv(a.tensor(0), a.tensor(1), a.tensor(2), a.number(3, "value", 1)); });
  ops["lerp"] = one([](const Arguments& a) {
    return a.is_tensor(2, "weight") ? lerp(a.tensor(0), a.tensor(1), a.tensor(2))
                                    : lerp(a.tensor(0), a.tensor(1), a.number(2, "weight"));
  });
}

void add_comparison(Operations& ops) {
  PAIR(eq);
  PAIR(ne);
  PAIR(lt);
  PAIR(le);
  PAIR(gt);
  PAIR(ge);
  TENSORS(logical_and);
  TENSORS(logical_or);
  TENSORS(logical_xor);
  TENSORS(bitwise_and);
  TENSORS(bitwise_or);
  TENSORS(bitwise_xor);
  UNARY(logical_not);
  UNARY(bitwise_not);
  UNARY(isnan);
  UNARY(isinf);
  UNARY(isfinite);
  ops["isclose"] = one([](const Arguments& a) {
    return isclose(a.tensor(0), a.tensor(1), a.number(2, "rtol", 1e-5).toDouble(), a.number(3, "atol", 1e-8).toDouble(),
                   a.flag(4, "equal_nan", false));
  });
}

void add_unary(Operations& ops) {
  UNARY(neg);
  UNARY(abs);
  UNARY(sign);
  UNARY(floor);
  UNARY(ceil);
  UNARY(round);
  UNARY(trunc);
  UNARY(frac);
  UNARY(square);
  UNARY(reciprocal);
  UNARY(sqrt);
  UNARY(rsqrt);
  UNARY(exp);
  UNARY(exp2);
  UNARY(expm1);
  UNARY(log);
  UNARY(log2);
  UNARY(log10);
  UNARY(log1p);
  UNARY(sin);
  UNARY(cos);
  UNARY(tan);
  UNARY(asin);
  UNARY(acos);
  UNARY(atan);
  UNARY(sinh);
  UNARY(cosh);
  UNARY(tanh);
  UNARY(sigmoid);
  UNARY(erf);
  UNARY(erfc);
}

void add_activation(Operations& ops) {
  auto in_place = [](const Arguments& a) { a.flag(a.count(), "inplace", false); };
#define ACTIVATION(name, ...)                                       \
  ops["nn.functional." name] = one([in_place](const Arguments& a) { \
    in_place(a);                                                    \
    const Tensor x = a.tensor(0);                                   \
    return __VA_ARGS__;                                             \
  })
  ACTIVATION("relu", relu(x));
  ACTIVATION("relu6", relu6(x));
  ACTIVATION("elu", elu(x, a.number(1, "alpha", 1)));
  ACTIVATION("selu", selu(x));
  ACTIVATION("celu", celu(x, a.number(1, "alpha", 1)));
  ACTIVATION("gelu", gelu(x, a.text(1, "approximate", "none")));
  ACTIVATION("silu", silu(x));
  ACTIVATION("mish", mish(x));
  ACTIVATION("softplus", softplus(x, a.number(1, "beta", 1), a.number(2, "threshold", 20)));
  ACTIVATION("hardtanh", hardtanh(x, a.number(1, "min_val", -1), a.number(2, "max_val", 1)));
  ACTIVATION("hardswish", hardswish(x));
  ACTIVATION("hardsigmoid", hardsigmoid(x));
  ACTIVATION("leaky_relu", leaky_relu(x, a.number(1, "negative_slope", 0.01)));
  ACTIVATION("logsigmoid", log_sigmoid(x));
  ACTIVATION("softsign", softsign(x));
  ACTIVATION("tanhshrink", tanhshrink(x));
  ACTIVATION("hardshrink", hardshrink(x, a.number(1, "lambd", 0.5)));
  ACTIVATION("softshrink", softshrink(x, a.number(1, "lambd", 0.5)));
  ACTIVATION("threshold", threshold(x, a.number(1, "threshold"), a.number(2, "value")));
  ACTIVATION("glu", glu(x, a.integer(1, "dim", -1)));
  ACTIVATION("prelu", prelu(x, a.tensor(1, "weight")));
#undef ACTIVATION
}

}  // namespace

void add_elementwise(Operations& ops) {
  add_arithmetic(ops);
  add_comparison(ops);
  add_unary(ops);
  add_activation(ops);
  // The recorded operand of where is its second argument.
  ops["where"] = one([](const Arguments& a) {
    return a.is_tensor(2, "other") ? where(a.tensor(1), a.tensor(0), a.tensor(2))
                                   : where(a.tensor(1), a.tensor(0), a.number(2, "other"));
  });
  ops["clamp"] = one([](const Arguments& a) {
    bool by_tensors = a.is_tensor(1, "min") || a.is_tensor(2, "max");
    if (by_tensors) return clamp(a.tensor(0), a.optional_tensor(1, "min"), a.optional_tensor(2, "max"));
    return clamp(a.tensor(0), a.optional_number(1, "min"), a.optional_number(2, "max"));
  });
  ops["clamp_min"] = pair([](const Tensor& x, const auto& limit) { return clamp_min(x, limit); });
  ops["clamp_max"] = pair([](const Tensor& x, const auto& limit) { return clamp_max(x, limit); });
  ops["masked_fill"] = one([](const Arguments& a) {
    return a.is_tensor(2, "value") ? masked_fill(a.tensor(0), a.tensor(1), a.tensor(2, "value"))
                                   : masked_fill(a.tensor(0), a.tensor(1), a.number(2, "value"));
  });
  ops["masked_select"] = one([](const Arguments& a) { return masked_select(a.tensor(0), a.tensor(1)); });
}

}  // namespace conformance
