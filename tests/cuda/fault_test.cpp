#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/tensor/cuda.h>

using namespace fulmen;

namespace {
Tensor cuda_labels(std::initializer_list<int64_t> values) {
  return tensor(std::vector<int64_t>(values), TensorOptions(kLong).device(kCUDA));
}
}  // namespace

TEST_SUITE("cuda") {
  TEST_CASE("an index out of range is thrown at the next synchronisation, with its place") {
    const Tensor x = zeros({3, 2}, TensorOptions().device(kCUDA));
    const Tensor bad = index(x, {cuda_labels({0, 2, 7, -4})});
    std::string text;
    try {
      cuda::synchronize();
    } catch (const IndexError& error) {
      text = error.what();
    }
    const bool first = text.find("index 7 is out of bounds for dimension with size 3") != std::string::npos &&
                       text.find("position 2 of the flattened indices") != std::string::npos;
    const bool other = text.find("index -4 is out of bounds for dimension with size 3") != std::string::npos &&
                       text.find("position 3 of the flattened indices") != std::string::npos;
    CHECK((first || other));
    CHECK(text.find("found by kernel index_places on cuda:0") != std::string::npos);
    CHECK_NOTHROW(cuda::synchronize());  // said once
    CHECK(index(x, {cuda_labels({0, -1})}).cpu().numel() == 4);
  }

  TEST_CASE("a copy to the CPU throws it as well") {
    const Tensor x = zeros({3}, TensorOptions().device(kCUDA));
    CHECK_THROWS_AS(index(x, {cuda_labels({3})}).cpu(), IndexError);
    CHECK_NOTHROW(x.cpu());
  }

  TEST_CASE("tensors on two devices") {
    const Tensor here = ones({3}), there = here.to(kCUDA);
    CHECK_THROWS_WITH_AS(here + there, doctest::Contains("Expected all tensors to be on the same device"), Error);
    CHECK_THROWS_WITH_AS(matmul(there, here), doctest::Contains("Expected all tensors to be on the same device"),
                         Error);
    CHECK_THROWS_WITH_AS(cat({here, there}), doctest::Contains("same device"), Error);
    CHECK_THROWS_WITH_AS(index(here, {there.to(kLong)}),
                         doctest::Contains("indices should be either on cpu or on the same device"), Error);
  }

  TEST_CASE("an operand without dimensions may stay on the CPU") {
    const Tensor there = full({3}, 2.0, TensorOptions().device(kCUDA)).requires_grad_();
    const Tensor number = tensor(3.0).requires_grad_();
    const Tensor y = there * number;
    CHECK(y.is_cuda());
    y.sum().backward();
    CHECK(number.grad().is_cpu());
    CHECK(number.grad().item<double>() == 6);
    CHECK(equal(there.grad().cpu(), full({3}, 3.0)));
    CHECK(equal((number.detach() - there.detach()).cpu(), full({3}, 1.0)));
    CHECK(equal(there.detach().gt(tensor(1.0)).cpu(), full({3}, true, kBool)));
  }
}
