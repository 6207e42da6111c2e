#include "tests/op_table/compare.h"

#include <cmath>

#include "tests/op_table/samples.h"

namespace op_table {

namespace {

struct Tolerance {
  double relative, absolute;
};
Tolerance tolerance_of(ScalarType t) {
  switch (t) {
    case kDouble:
      return {2e-12, 1e-12};
    case kFloat:
      return {4e-6, 1e-6};
    case kHalf:
      return {4e-3, 4e-3};
    case kBFloat16:
      return {3e-2, 3e-2};
    default:
      return {0, 0};
  }
}

/// As an integer type holds it: arithmetic wraps around.
double wrapped(double v, ScalarType t) {
  switch (t) {
    case kByte:
      return static_cast<uint8_t>(static_cast<int64_t>(v));
    case kChar:
      return static_cast<int8_t>(static_cast<int64_t>(v));
    case kShort:
      return static_cast<int16_t>(static_cast<int64_t>(v));
    case kInt:
      return static_cast<int32_t>(static_cast<int64_t>(v));
    case kBool:
      return v != 0;
    default:
      return v;
  }
}

}  // namespace

std::string text_of(double v) {
  std::string out;
  append(out, v);
  return out;
}

std::string compare(const Row& row, const std::vector<Tensor>& got, const std::vector<Array>& expected,
                    ScalarType computed_in) {
  if (got.size() != expected.size()) return str("gave ", got.size(), " outputs, expected ", expected.size());
  for (size_t k = 0; k < got.size(); ++k) {
    if (got[k].sizes() != IntArrayRef(expected[k].sizes)) {
      return str("output ", k, " has sizes ", got[k].sizes(), ", expected ", IntArrayRef(expected[k].sizes));
    }
    Array a = to_array(got[k]);
    Tolerance tol = tolerance_of(got[k].scalar_type());
    if (is_floating_point(got[k].scalar_type()) && is_floating_point(computed_in)) {
      Tolerance in = tolerance_of(computed_in);
      if (in.relative > tol.relative) tol = in;
    }
    for (int64_t i = 0; i < a.numel(); ++i) {
      double x = a[i], y = wrapped(expected[k][i], got[k].scalar_type());
      bool same = x == y || (std::isnan(x) && std::isnan(y)) ||
                  std::abs(x - y) <= row.tolerance_ * (tol.absolute + tol.relative * std::abs(y));
      // Beyond float16's largest number the reference cannot know better.
      same = same || (got[k].scalar_type() == kHalf && std::abs(y) >= 65504 && std::isinf(x));
      if (!same) return str("output ", k, ", element ", i, ": got ", text_of(x), ", expected ", text_of(y));
    }
  }
  return {};
}

}  // namespace op_table
