#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/tensor/cuda.h>

#include <sstream>

using namespace fulmen;

TEST_SUITE("cuda") {
  TEST_CASE("devices and their names") {
    CHECK(cuda::is_available());
    CHECK(cuda::why_not_available().empty());
    CHECK(cuda::exact(Device("cuda")) == Device("cuda:0"));
    CHECK(cuda::exact(Device("cpu")) == Device("cpu"));
    CHECK_THROWS_WITH_AS(empty({2}, TensorOptions().device("cuda:99")), doctest::Contains("there is no device cuda:99"),
                         Error);
    CHECK(cuda::get_device_properties().multi_processor_count > 0);
    CHECK(cuda::get_device_properties().total_memory > 0);
  }

  TEST_CASE("there and back") {
    const Tensor x = tensor({{1.0, 2.0}, {3.0, 4.0}});
    const Tensor there = x.to(kCUDA);
    CHECK(there.device() == Device("cuda:0"));
    CHECK(there.is_cuda());
    CHECK(there.get_device() == 0);
    CHECK(equal(there.cpu(), x));
    CHECK(there.to(kCUDA).is_same(there));
    CHECK(there.cuda().is_same(there));
    CHECK(there.to("cuda:0").is_same(there));
    CHECK(there[1][0].item<double>() == 3);
    CHECK(x.to(there).is_cuda());
    CHECK(empty({0}, TensorOptions().device(kCUDA)).cpu().numel() == 0);
    CHECK(tensor({1, 2, 3}, TensorOptions().device(kCUDA)).cpu()[2].item<int64_t>() == 3);
  }

  TEST_CASE("printing") {
    std::ostringstream out;
    out << tensor({1.0f, 2.0f}).to(kCUDA);
    CHECK(out.str() == " 1\n 2\n[ CUDAFloatType{2} ]");
  }

  TEST_CASE("elements of a cuda tensor are not the host's") {
    const Tensor there = ones({2}).to(kCUDA);
    CHECK_THROWS_WITH_AS((there.accessor<float, 1>()), doctest::Contains("use .cpu()"), Error);
  }

  TEST_CASE("set_device and guards") {
    const int before = cuda::current_device();
    {
      const cuda::DeviceGuard guard(Device("cuda:0"));
      CHECK(cuda::current_device() == 0);
    }
    CHECK(cuda::current_device() == before);
    CHECK_THROWS_AS(cuda::set_device(99), Error);
  }
}
