#include <doctest/doctest.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/tensor_data.h>
#include <fulmen/autograd/ops/views.h>
#include <tests/tensor/support.h>

#include <fstream>
#include <iomanip>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

using namespace fulmen;
using namespace fulmen::testing;
using nlohmann::json;

TEST_SUITE_BEGIN("tensor");

namespace {

Tensor tensor_of(const json& row) {
  const ScalarType dtype = dtype_from_name(row["dtype"].get<std::string>());
  const auto sizes = row["shape"].get<std::vector<int64_t>>();
  Tensor flat;
  if (is_floating_point(dtype)) {
    std::vector<double> values;
    for (const json& v : row["values"]) values.push_back(as_number(v));
    flat = tensor(values, kDouble);
  } else {
    std::vector<int64_t> values;
    for (const json& v : row["values"]) {
      values.push_back(v.is_boolean() ? int64_t{v.get<bool>()} : v.get<int64_t>());
    }
    flat = tensor(values, kLong);
  }
  Tensor x = flat.to(dtype).reshape(sizes);
  if (row.contains("transpose")) x = x.t();
  if (row.contains("requires_grad")) x.requires_grad_();
  return x;
}

}  // namespace

TEST_CASE("tensors print as in LibTorch") {
  const json recorded = fixture("printing.json");
  for (const json& row : recorded["tensors"]) {
    CAPTURE(row.dump());
    const Tensor x = row.contains("undefined") ? Tensor() : tensor_of(row);
    std::ostringstream out;
    if (row.contains("linesize")) {
      print(out, x, row["linesize"].get<int64_t>());
    } else {
      out << x;
    }
    CHECK(out.str() == row["text"].get<std::string>());
  }
}

TEST_CASE("other values print as in LibTorch") {
  CHECK(printed(Device("cuda:1")) == "cuda:1");
  CHECK(printed(kCPU) == "cpu");
  CHECK(printed(kLong) == "Long");
  CHECK(printed(kStrided) == "Strided");
  CHECK(printed(IntArrayRef({2, 3})) == "[2, 3]");
  CHECK(printed(IntArrayRef()) == "[]");
  CHECK(printed(Scalar(1.5)) == "1.5");
  CHECK(printed(Scalar(7)) == "7");
  CHECK(printed(Scalar(true)) == "true");
  CHECK(printed(TensorOptions()) ==
        "TensorOptions(dtype=float (default), device=cpu (default), layout=Strided (default), "
        "requires_grad=false (default), pinned_memory=false (default), memory_format=(nullopt))");
  CHECK(printed(TensorOptions(kLong).device(kCUDA, 1).requires_grad(true)) ==
        "TensorOptions(dtype=long int, device=cuda:1, layout=Strided (default), requires_grad=true, "
        "pinned_memory=false (default), memory_format=(nullopt))");
}

TEST_CASE("printing leaves the stream's format alone") {
  std::ostringstream out;
  out << std::setprecision(3) << std::fixed << tensor({1.5, 2.5}) << 1.23456;
  CHECK(out.str() == " 1.5000\n 2.5000\n[ CPUFloatType{2} ]1.235");
}

TEST_CASE("messages name a tensor's dtype, sizes and device") {
  CHECK(str(empty({2, 3})) == "float32[2, 3] on cpu");
  CHECK(str(Tensor()) == "undefined tensor");
  CHECK(str(0.1, ' ', 0.1f, ' ', 1e300, ' ', 3.0, ' ', true, ' ', kHalf) == "0.1 0.1 1e+300 3 true float16");
  CHECK(str(std::numeric_limits<int64_t>::min()) == "-9223372036854775808");
}

TEST_SUITE_END();
