#include <fulmen/autograd/ops/comparison.h>
#include <fulmen/autograd/ops/creation.h>

#include <cmath>

#include "tests/op_table/op_table.h"

namespace op_table {

namespace {

const char* truth = "truth values have no derivative";

Row& comparison(Table& table, const char* name, Tensor (*f)(const Tensor&, const Tensor&),
                double (*reference)(double, double)) {
  return table.row(name)
      .inputs({{3, 5}, {3, 5}})
      .inputs({{2, 3, 4}, {3, 1}})
      .inputs({{70}, {}})
      .call([f](In in) { return f(in[0], in[1]); })
      .reference(elementwise(reference))
      .integers()
      .order(0, truth)
      .large({{1 << 20}, {1 << 20}});
}

void with_number(Table& table, const char* name, Tensor (*f)(const Tensor&, const Scalar&),
                 double (*reference)(double)) {
  table.row(std::string(name) + "/number")
      .inputs({{3, 5}})
      .call([f](In in) { return f(in[0], 1); })
      .reference(elementwise(reference))
      .integers()
      .order(0, truth);
}

}  // namespace

#define COMPARISON(name, symbol)                                                         \
  comparison(table, #name, name, [](double a, double b) { return double(a symbol b); }); \
  with_number(table, #name, name, [](double a) { return double(a symbol 1); })

OP_TABLE_ROWS(comparisons) {
  COMPARISON(eq, ==);
  COMPARISON(ne, !=);
  COMPARISON(lt, <);
  COMPARISON(le, <=);
  COMPARISON(gt, >);
  COMPARISON(ge, >=);
  comparison(table, "logical_and", logical_and, [](double a, double b) { return double(a != 0 && b != 0); });
  comparison(table, "logical_or", logical_or, [](double a, double b) { return double(a != 0 || b != 0); });
  comparison(table, "logical_xor", logical_xor, [](double a, double b) { return double((a != 0) != (b != 0)); });
}

OP_TABLE_ROWS(bits) {
  const std::vector<ScalarType> whole = {kInt, kByte, kChar, kShort, kLong, kBool};
  comparison(table, "bitwise_and", bitwise_and, [](double a, double b) { return double(int64_t(a) & int64_t(b)); })
      .domain(-9, 9)
      .dtypes(whole)
      .error(
          "floating point", [] { bitwise_and(ones({2}, here()), ones({2}, here())); },
          "bitwise operations are not defined for float32; they take integers and bool");
  comparison(table, "bitwise_or", bitwise_or, [](double a, double b) { return double(int64_t(a) | int64_t(b)); })
      .domain(-9, 9)
      .dtypes(whole);
  comparison(table, "bitwise_xor", bitwise_xor, [](double a, double b) { return double(int64_t(a) ^ int64_t(b)); })
      .domain(-9, 9)
      .dtypes(whole);
  table.row("bitwise_not")
      .inputs({{3, 5}})
      .domain(-9, 9)
      .dtypes({kInt, kByte, kChar, kShort, kLong})
      .call([](In in) { return bitwise_not(in[0]); })
      .reference(elementwise([](double x) { return double(~int64_t(x)); }))
      .order(0, truth);
}

OP_TABLE_ROWS(close) {
  table.row("ne/isnan")
      .inputs({{3, 5}})
      .call([](In in) { return isnan(in[0]); })
      .reference(elementwise([](double x) { return double(std::isnan(x)); }))
      .order(0, truth);
  table.row("eq/isinf")
      .inputs({{3, 5}})
      .call([](In in) { return isinf(in[0]); })
      .reference(elementwise([](double x) { return double(std::isinf(x)); }))
      .order(0, truth);
  table.row("lt/isfinite")
      .inputs({{3, 5}})
      .call([](In in) { return isfinite(in[0]); })
      .reference(elementwise([](double x) { return double(std::isfinite(x)); }))
      .order(0, truth);
  table.row("eq/isclose")
      .inputs({{3, 5}, {3, 5}})
      .dtypes({kDouble, kFloat})
      .call([](In in) { return isclose(in[0], in[1], 0.3, 0.1); })
      .reference(elementwise([](double a, double b) {
        return double(a == b || (std::isfinite(a) && std::isfinite(b) && std::fabs(a - b) <= 0.1 + 0.3 * std::fabs(b)));
      }))
      .order(0, truth)
      .error(
          "dtypes", [] { isclose(ones({2}, here()), ones({2}, here(kDouble))); }, "Float did not match Double");
}

}  // namespace op_table
