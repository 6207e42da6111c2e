#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/unary.h>

#include <cmath>

#include "tests/op_table/op_table.h"

namespace op_table {

namespace {

Row& unary(Table& table, const char* name, Tensor (*f)(const Tensor&), Tensor& (*inplace)(const Tensor&),
           double (*reference)(double)) {
  return table.row(name)
      .inputs({{3, 5}})
      .inputs({{2, 3, 4}})
      .inputs({{70}})
      .call([f](In in) { return f(in[0]); })
      .reference(elementwise(reference))
      .inplace([inplace](In in) { inplace(in[0]); })
      .large({{1 << 20}});
}
#define UNARY(name, ...) unary(table, #name, name, name##_, __VA_ARGS__)

const std::vector<ScalarType> integer_types = {kByte, kChar, kShort, kInt, kLong};
const char* straight = "steps: the derivative is 0 and has no history";

}  // namespace

OP_TABLE_ROWS(signs_and_rounding) {
  UNARY(neg, [](double x) { return -x; })
      .also_dtypes(integer_types)
      .error(
          "bool", [] { neg(ones({2}, here(kBool))); },
          "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the "
          "`~` or `logical_not()` operator instead.");
  UNARY(abs, [](double x) { return std::fabs(x); }).domain(-2, 2, {0}).also_dtypes(integer_types);
  UNARY(sign, [](double x) { return double((x > 0) - (x < 0)); })
      .domain(-2, 2, {0})
      .also_dtypes(integer_types)
      .order(1, straight);
  UNARY(floor, [](double x) { return std::floor(x); })
      .domain(-3, 3, {-3, -2, -1, 0, 1, 2, 3})
      .also_dtypes(integer_types)
      .order(1, straight);
  UNARY(ceil, [](double x) { return std::ceil(x); })
      .domain(-3, 3, {-3, -2, -1, 0, 1, 2, 3})
      .also_dtypes(integer_types)
      .order(1, straight);
  UNARY(round, [](double x) { return std::nearbyint(x); })
      .domain(-3, 3, {-2.5, -1.5, -0.5, 0.5, 1.5, 2.5})
      .also_dtypes(integer_types)
      .order(1, straight);
  UNARY(trunc, [](double x) { return std::trunc(x); })
      .domain(-3, 3, {-3, -2, -1, 0, 1, 2, 3})
      .also_dtypes(integer_types)
      .order(1, straight);
  UNARY(frac, [](double x) { return x - std::trunc(x); }).domain(-3, 3, {-3, -2, -1, 0, 1, 2, 3});
}

OP_TABLE_ROWS(powers_and_roots) {
  UNARY(square, [](double x) { return x * x; }).also_dtypes(integer_types);
  UNARY(reciprocal, [](double x) { return 1 / x; }).domain(0.4, 3);
  UNARY(sqrt, [](double x) { return std::sqrt(x); }).domain(0.2, 4);
  UNARY(rsqrt, [](double x) { return 1 / std::sqrt(x); }).domain(0.2, 4);
}

OP_TABLE_ROWS(exponentials_and_logarithms) {
  UNARY(exp, [](double x) { return std::exp(x); }).domain(-8, 5).also_dtypes({kInt});
  UNARY(exp2, [](double x) { return std::exp2(x); }).domain(-8, 5);
  UNARY(expm1, [](double x) { return std::expm1(x); }).domain(-4, 4);
  UNARY(log, [](double x) { return std::log(x); }).domain(0.05, 8);
  UNARY(log2, [](double x) { return std::log2(x); }).domain(0.05, 8);
  UNARY(log10, [](double x) { return std::log10(x); }).domain(0.05, 8);
  UNARY(log1p, [](double x) { return std::log1p(x); }).domain(-0.9, 8);
}

OP_TABLE_ROWS(trigonometry) {
  UNARY(sin, [](double x) { return std::sin(x); }).domain(-9, 9);
  UNARY(cos, [](double x) { return std::cos(x); }).domain(-9, 9);
  UNARY(tan, [](double x) { return std::tan(x); }).domain(-1.3, 1.3).tolerance(2);
  UNARY(asin, [](double x) { return std::asin(x); }).domain(-0.95, 0.95);
  UNARY(acos, [](double x) { return std::acos(x); }).domain(-0.95, 0.95);
  UNARY(atan, [](double x) { return std::atan(x); }).domain(-4, 4);
  UNARY(sinh, [](double x) { return std::sinh(x); }).domain(-4, 4);
  UNARY(cosh, [](double x) { return std::cosh(x); }).domain(-4, 4);
  // Beyond the reach of the vectorised reduction.
  table.row("sin/large")
      .inputs({{300}})
      .domain(-3e9, 3e9)
      .dtypes({kDouble, kFloat})
      .call([](In in) { return sin(in[0]); })
      .reference(elementwise([](double x) { return std::sin(x); }))
      .tolerance(1e4)
      .order(0, "differences of 1e-5 vanish beside 1e9");
}

OP_TABLE_ROWS(sigmoids) {
  UNARY(tanh, [](double x) { return std::tanh(x); }).domain(-4, 4).covers({"tanh_grad"});
  UNARY(sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }).domain(-8, 8).covers({"sigmoid_grad"});
  UNARY(erf, [](double x) { return std::erf(x); }).domain(-4, 4);
  UNARY(erfc, [](double x) { return std::erfc(x); }).domain(-3, 3);
}

}  // namespace op_table
