#include <doctest/doctest.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/elementwise.h>
#include <fulmen/autograd/ops/reduction.h>
#include <tests/paths.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

// Every pair of dtypes against PyTorch, recorded by tests/fixtures/record_promotion.py.

using namespace fulmen;
using nlohmann::json;

TEST_SUITE_BEGIN("tensor");

namespace {

json promotion() {
  std::ifstream in(testing::source_dir() + "/tests/fixtures/promotion.json");
  REQUIRE(in.good());
  return json::parse(in);
}

struct Table {
  json document = promotion();
  size_t count = document["dtypes"].size();
  ScalarType dtype(size_t i) const { return dtype_from_name(document["dtypes"][i].get<std::string>()); }
  ScalarType at(const char* table, size_t i, size_t j) const {
    return dtype_from_name(document[table][i][j].get<std::string>());
  }
};

Tensor row(ScalarType dtype) { return ones({1}, dtype); }
Tensor zero_dim(ScalarType dtype) { return ones({}, dtype); }

}  // namespace

TEST_CASE("dtypes of two tensors, of a tensor and a number: PyTorch's") {
  const Table table;
  const Scalar numbers[] = {true, 1, 1.5};
  for (size_t i = 0; i < table.count; ++i) {
    const ScalarType a = table.dtype(i);
    for (size_t j = 0; j < table.count; ++j) {
      const ScalarType b = table.dtype(j);
      CAPTURE(a);
      CAPTURE(b);
      CHECK(result_type(row(a), row(b)) == table.at("tensor_tensor", i, j));
      CHECK(result_type(row(a), zero_dim(b)) == table.at("tensor_zero_dim", i, j));
      CHECK(result_type(zero_dim(a), zero_dim(b)) == table.at("zero_dim_zero_dim", i, j));
      CHECK(promote_types(a, b) == table.at("tensor_tensor", i, j));
      CHECK((row(a) / row(b)).scalar_type() == table.at("true_divide", i, j));
      CHECK(can_cast(a, b) == table.document["can_cast"][i][j].get<bool>());
    }
    for (size_t k = 0; k < std::size(numbers); ++k) {
      CAPTURE(a);
      CAPTURE(k);
      CHECK(result_type(row(a), numbers[k]) == table.at("tensor_scalar", i, k));
      CHECK(result_type(zero_dim(a), numbers[k]) == table.at("zero_dim_scalar", i, k));
    }
  }
}

TEST_CASE("sum widens integers; mean refuses them") {
  const Table table;
  const auto refused = table.document["mean_error"].get<std::vector<std::string>>();
  for (size_t i = 0; i < table.count; ++i) {
    const ScalarType a = table.dtype(i);
    CAPTURE(a);
    CHECK(row(a).sum().scalar_type() == dtype_from_name(table.document["sum"][i].get<std::string>()));
    const bool is_refused =
        std::count(refused.begin(), refused.end(), table.document["dtypes"][i].get<std::string>()) != 0;
    if (is_refused) {
      CHECK_THROWS_AS(row(a).mean(), Error);
    } else {
      CHECK(row(a).mean().scalar_type() == a);
    }
  }
}

TEST_SUITE_END();
