#include <fulmen/autograd/ops/activation.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/unary.h>

#include <cmath>

#include "tests/op_table/op_table.h"

namespace op_table {

namespace {

Row& activation(Table& table, const char* name, Tensor (*f)(const Tensor&), double (*reference)(double)) {
  return table.row(name)
      .inputs({{3, 5}})
      .inputs({{70}})
      .domain(-5, 5, {-3, -0.5, 0, 0.5, 3})
      .call([f](In in) { return f(in[0]); })
      .reference(elementwise(reference))
      .large({{1 << 20}});
}

const char* at_infinity = "the formula gives NaN at an infinity where the function has a limit, as PyTorch's does";

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }
double softplus_of(double x) { return x > 20 ? x : std::log1p(std::exp(x)); }
double clamped(double x, double low, double high) { return std::isnan(x) ? x : std::fmin(std::fmax(x, low), high); }

}  // namespace

OP_TABLE_ROWS(activations) {
  activation(table, "relu", relu, [](double x) {
    return std::isnan(x) || x > 0 ? x : 0;
  }).inplace([](In in) {
      in[0].relu_();
    }).covers({"relu_grad"});
  activation(
      table, "leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.1); },
      [](double x) { return x > 0 ? x : 0.1 * x; })
      .covers({"leaky_relu_grad"});
  activation(
      table, "gelu", [](const Tensor& x) { return gelu(x); },
      [](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); })
      .covers({"gelu_grad"});
  activation(
      table, "gelu_tanh", [](const Tensor& x) { return gelu(x, "tanh"); },
      [](double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); })
      .covers({"gelu_tanh_grad"})
      .error(
          "approximate", [] { gelu(ones({2}, here()), "fine"); },
          "gelu: approximate argument must be either none or tanh; got 'fine'");
  activation(table, "silu", silu, [](double x) { return x * sigmoid_of(x); })
      .covers({"silu_grad"})
      .finite_only(at_infinity);
  activation(
      table, "elu", [](const Tensor& x) { return elu(x, 1.5); },
      [](double x) { return x > 0 ? x : 1.5 * std::expm1(x); });
  activation(table, "elu/selu", selu,
             [](double x) { return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * std::expm1(x)); });
  activation(
      table, "celu", [](const Tensor& x) { return celu(x, 1.5); },
      [](double x) { return x > 0 ? x : 1.5 * std::expm1(x / 1.5); })
      .error(
          "alpha", [] { celu(ones({2}, here()), 0); }, "ZeroDivisionError: alpha cannot be 0 for CELU");
  activation(table, "mish", mish, [](double x) { return x * std::tanh(softplus_of(x)); }).finite_only(at_infinity);
  activation(
      table, "softplus", [](const Tensor& x) { return softplus(x); }, softplus_of);
  activation(
      table, "softplus/beta", [](const Tensor& x) { return softplus(x, 2, 3); },
      [](double x) { return 2 * x > 3 ? x : std::log1p(std::exp(2 * x)) / 2; })
      .domain(-5, 5, {1.5});
  activation(table, "log_sigmoid", log_sigmoid, [](double x) {
    return std::fmin(x, 0.0 * x) - std::log1p(std::exp(-std::fabs(x)));
  }).finite_only(at_infinity);
  activation(table, "softsign", softsign, [](double x) { return x / (1 + std::fabs(x)); });
  activation(table, "tanhshrink", tanhshrink, [](double x) { return x - std::tanh(x); });
}

OP_TABLE_ROWS(hard_activations) {
  activation(
      table, "hardtanh", [](const Tensor& x) { return hardtanh(x, -0.5, 3); },
      [](double x) { return clamped(x, -0.5, 3); });
  activation(
      table, "hardshrink", [](const Tensor& x) { return hardshrink(x); },
      [](double x) { return std::fabs(x) <= 0.5 ? 0 : x; });
  activation(
      table, "softshrink", [](const Tensor& x) { return softshrink(x); },
      [](double x) { return std::fabs(x) <= 0.5 ? 0 : x - std::copysign(0.5, x); })
      .error(
          "lambda", [] { softshrink(ones({2}, here()), -1); },
          "lambda must be greater or equal to 0, but found to be -1.");
  activation(
      table, "threshold", [](const Tensor& x) { return threshold(x, 0.5, -7); },
      [](double x) { return x <= 0.5 ? -7 : x; });
  activation(table, "hardsigmoid", hardsigmoid, [](double x) { return clamped(x + 3, 0, 6) / 6; });
  activation(table, "hardswish", hardswish, [](double x) { return x * clamped(x + 3, 0, 6) / 6; });
}

}  // namespace op_table
