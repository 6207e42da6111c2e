#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/creation.h>

#include <cmath>

#include "tests/op_table/op_table.h"

namespace op_table {

namespace {

using Binary = double (*)(double, double);

/// Two operands in the shapes that broadcasting knows.
Row& binary(Table& table, const char* name, Tensor (*f)(const Tensor&, const Tensor&), Binary reference) {
  return table.row(name)
      .inputs({{3, 5}, {3, 5}})
      .inputs({{2, 3, 4}, {3, 1}})
      .inputs({{4, 1, 3}, {5, 3}})
      .inputs({{70}, {}})
      .call([f](In in) { return f(in[0], in[1]); })
      .reference(elementwise(reference))
      .large({{1 << 20}, {1 << 20}});
}

/// A tensor and a number.
Row& with_number(Table& table, const char* name, Tensor (*f)(const Tensor&, const Scalar&), Scalar c,
                 double (*reference)(double)) {
  return table.row(name)
      .inputs({{3, 5}})
      .inputs({{70}})
      .call([f, c](In in) { return f(in[0], c); })
      .reference(elementwise(reference))
      .large({{1 << 20}});
}

double python_mod(double a, double b) {
  double r = std::fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
double python_div(double a, double b) { return b == 0 ? a / b : std::floor((a - python_mod(a, b)) / b + 0.5); }

const std::vector<ScalarType> integer_types = {kByte, kChar, kShort, kInt, kLong};
Tensor ints(std::vector<int64_t> sizes) { return ones(sizes, here(kLong)); }

}  // namespace

OP_TABLE_ROWS(sums_and_products) {
  binary(
      table, "add", [](const Tensor& a, const Tensor& b) { return add(a, b); },
      [](double a, double b) { return a + b; })
      .integers()
      .inplace([](In in) { in[0].add_(in[1]); })
      .error(
          "sizes",
          [] {
            ones({2, 3}, here()) + ones({4}, here());
          },
          "The size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 1")
      .error(
          "float into int", [] { ints({3}).add_(ones({3}, here())); },
          "result type Float can't be cast to the desired output type Long")
      .error(
          "larger than the target",
          [] {
            ones({3}, here()).add_(ones({2, 3}, here()));
          },
          "output with shape [3] doesn't match the broadcast shape [2, 3]")
      .error(
          "alpha", [] { add(ints({3}), ints({3}), 0.5); },
          "For integral input tensors, argument alpha must not be a floating point number.");
  binary(
      table, "add/alpha", [](const Tensor& a, const Tensor& b) { return add(a, b, 3); },
      [](double a, double b) { return a + 3 * b; })
      .also_dtypes(integer_types);
  with_number(
      table, "add/number", [](const Tensor& x, const Scalar& c) { return add(x, c); }, 2,
      [](double x) { return x + 2; })
      .also_dtypes(integer_types)
      .inplace([](In in) { in[0].add_(2); });
  binary(
      table, "sub", [](const Tensor& a, const Tensor& b) { return a - b; }, [](double a, double b) { return a - b; })
      .also_dtypes(integer_types)
      .inplace([](In in) { in[0].sub_(in[1]); })
      .error(
          "bool", [] { ones({2}, here(kBool)) - ones({2}, here(kBool)); },
          "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` "
          "operator instead.");
  with_number(
      table, "sub/number", [](const Tensor& x, const Scalar& c) { return x - c; }, 2, [](double x) { return x - 2; })
      .also_dtypes(integer_types);
  with_number(
      table, "rsub", [](const Tensor& x, const Scalar& c) { return c - x; }, 1.5, [](double x) { return 1.5 - x; });
  binary(
      table, "mul", [](const Tensor& a, const Tensor& b) { return a * b; }, [](double a, double b) { return a * b; })
      .integers()
      .inplace([](In in) { in[0].mul_(in[1]); });
  with_number(
      table, "mul/number", [](const Tensor& x, const Scalar& c) { return x * c; }, -1.5,
      [](double x) { return x * -1.5; })
      .inplace([](In in) { in[0].mul_(-1.5); });
}

OP_TABLE_ROWS(division) {
  binary(
      table, "div", [](const Tensor& a, const Tensor& b) { return a / b; }, [](double a, double b) { return a / b; })
      .domain(-3, 3)
      .domain_of(1, 1, 3)
      .also_dtypes(integer_types)
      .inplace([](In in) { in[0].div_(in[1]); })
      .error(
          "integers in place", [] { ints({3}).div_(ints({3})); },
          "result type Float can't be cast to the desired output type Long")
      .error(
          "unknown mode", [] { div(ints({3}), ints({3}), "ceil"); },
          "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found 'ceil'");
  with_number(
      table, "div/number", [](const Tensor& x, const Scalar& c) { return x / c; }, 4, [](double x) { return x / 4; });
  with_number(
      table, "rdiv", [](const Tensor& x, const Scalar& c) { return c / x; }, 2, [](double x) { return 2 / x; })
      .domain(0.5, 3);

  const char* flat = "steps: the derivative is 0 and has no history";
  const char* definition = "CPython's definition by remainders decides at infinities, not the quotient";
  const std::vector<ScalarType> types = {kDouble, kFloat, kByte, kShort, kInt, kLong};
  binary(
      table, "div_floor", [](const Tensor& a, const Tensor& b) { return div(a, b, "floor"); }, python_div)
      .domain(-7, 7)
      .domain_of(1, 1, 5)
      .dtypes(types)
      .order(1, flat)
      .finite_only(definition)
      .error(
          "by zero", [] { floor_divide(ints({2}), ints({2}) - 1); }, "ZeroDivisionError");
  binary(
      table, "div_trunc", [](const Tensor& a, const Tensor& b) { return div(a, b, "trunc"); },
      [](double a, double b) { return std::trunc(a / b); })
      .domain(-7, 7)
      .domain_of(1, 1, 5)
      .dtypes(types)
      .order(1, flat)
      .error(
          "by zero", [] { div(ints({2}), 0, "trunc"); }, "ZeroDivisionError");
  binary(
      table, "remainder", [](const Tensor& a, const Tensor& b) { return remainder(a, b); }, python_mod)
      .domain(-7, 7)
      .domain_of(1, 2, 9)
      .dtypes(types)
      .finite_only(definition)
      .error(
          "by zero", [] { remainder(ints({2}), 0); }, "ZeroDivisionError");
  with_number(
      table, "remainder/of number", [](const Tensor& x, const Scalar& c) { return remainder(c, x); }, 10,
      [](double x) { return python_mod(10, x); })
      .domain(2.1, 2.4)
      .dtypes({kDouble, kFloat})
      .finite_only(definition);
  binary(
      table, "fmod", [](const Tensor& a, const Tensor& b) { return fmod(a, b); },
      [](double a, double b) { return std::fmod(a, b); })
      .domain(-7, 7)
      .domain_of(1, 2, 9)
      .dtypes(types)
      .finite_only(definition)
      .error(
          "by zero", [] { fmod(ints({2}), ints({2}) - 1); }, "ZeroDivisionError");
}

OP_TABLE_ROWS(powers_and_pairs) {
  binary(
      table, "pow", [](const Tensor& a, const Tensor& b) { return pow(a, b); },
      [](double a, double b) { return std::pow(a, b); })
      .domain(-2, 2)
      .domain_of(0, 0.3, 3)
      .tolerance(4)
      .also_dtypes({kByte});
  for (double exponent : {0.0, 0.5, 1.0, 2.0, 3.0, -0.5, -1.0, 2.5}) {
    table.row(str("pow/", exponent))
        .inputs({{3, 5}})
        .inputs({{70}})
        .domain(0.3, 3)
        .tolerance(4)
        .call([exponent](In in) { return pow(in[0], exponent); })
        .reference(elementwise([exponent](double x) { return std::pow(x, exponent); }))
        .finite_only("0.5 and -0.5 are square roots, as in PyTorch: NaN at -infinity")
        .order(exponent == 0 ? 1 : 2, exponent == 0 ? "constant: its derivative has no history" : "")
        .large({{1 << 18}});
  }
  table.row("pow/of number")
      .inputs({{3, 5}})
      .call([](In in) { return pow(2.5, in[0]); })
      .reference(elementwise([](double x) { return std::pow(2.5, x); }))
      .tolerance(4)
      .error(
          "negative exponent", [] { pow(ints({2}), -1); }, "Integers to negative integer powers are not allowed.");
  binary(
      table, "maximum", [](const Tensor& a, const Tensor& b) { return maximum(a, b); },
      [](double a, double b) { return std::isnan(a) || a > b ? a : b; })
      .integers();
  binary(
      table, "minimum", [](const Tensor& a, const Tensor& b) { return minimum(a, b); },
      [](double a, double b) { return std::isnan(a) || a < b ? a : b; })
      .integers();
  binary(
      table, "atan2", [](const Tensor& a, const Tensor& b) { return atan2(a, b); },
      [](double a, double b) { return std::atan2(a, b); })
      .domain(-2, 2, {0}, 0.3);
}

OP_TABLE_ROWS(three_operands) {
  auto three = [&](const char* name) -> Row& {
    return table.row(name)
        .inputs({{3, 5}, {3, 5}, {3, 5}})
        .inputs({{2, 3, 4}, {3, 1}, {4}})
        .large({{1 << 18}, {1 << 18}, {1 << 18}});
  };
  three("addcmul")
      .call([](In in) { return addcmul(in[0], in[1], in[2], 2); })
      .reference(elementwise([](double x, double a, double b) { return x + 2 * a * b; }))
      .also_dtypes(integer_types)
      .inplace([](In in) { in[0].addcmul_(in[1], in[2], 2); });
  three("addcdiv")
      .domain_of(2, 1, 3)
      .call([](In in) { return addcdiv(in[0], in[1], in[2], 0.5); })
      .reference(elementwise([](double x, double a, double b) { return x + 0.5 * a / b; }))
      .inplace([](In in) { in[0].addcdiv_(in[1], in[2], 0.5); });
  three("lerp")
      .domain_of(2, 0, 1)
      .call([](In in) { return lerp(in[0], in[1], in[2]); })
      .reference(elementwise(
          [](double a, double b, double w) { return std::fabs(w) < 0.5 ? a + w * (b - a) : b - (b - a) * (1 - w); }))
      .tolerance(2);
  table.row("lerp/number")
      .inputs({{3, 5}, {3, 5}})
      .call([](In in) { return lerp(in[0], in[1], 0.25); })
      .reference(elementwise([](double a, double b) { return a + 0.25 * (b - a); }));
}

}  // namespace op_table
