#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/tensor/cuda.h>

#include <thread>

using namespace fulmen;

TEST_SUITE("cuda") {
  TEST_CASE("streams") {
    const cuda::Stream compute = cuda::current_stream();
    CHECK(compute == cuda::default_stream());
    CHECK(!(cuda::copy_stream() == compute));
    const cuda::Stream side;
    CHECK(!(side == compute));
    {
      const cuda::StreamGuard guard(side);
      CHECK(cuda::current_stream() == side);
      std::thread([&] { CHECK(cuda::current_stream() == compute); }).join();
    }
    CHECK(cuda::current_stream() == compute);
    side.synchronize();
    CHECK(side.query());
  }

  TEST_CASE("a batch is copied beside the computation") {
    const Tensor host = rand({1000}).pin_memory();
    const cuda::Stream copies = cuda::copy_stream();
    Tensor there;
    {
      const cuda::StreamGuard guard(copies);
      there = host.to(TensorOptions(kCUDA), true);
    }
    cuda::current_stream().wait_stream(copies);
    cuda::record_stream(there, cuda::current_stream());
    CHECK(equal(there.cpu(), host));
  }

  TEST_CASE("events") {
    cuda::Event start(true), end(true), plain;
    CHECK(plain.query());
    plain.synchronize();
    start.record();
    ones({1000}).to(kCUDA);
    end.record();
    end.synchronize();
    CHECK(end.query());
    CHECK(start.elapsed_time(end) >= 0);
    CHECK_THROWS_WITH_AS(plain.elapsed_time(end), doctest::Contains("timing"), Error);
    const cuda::Stream side;
    end.block(side);
    side.synchronize();
    cuda::Event moved = std::move(end);
    CHECK(moved.query());
  }

  TEST_CASE("a stream of somebody else's") {
    const cuda::Stream mine = cuda::stream_of_handle(0, cuda::Stream().handle());
    const cuda::StreamGuard guard(mine);
    CHECK(equal(ones({3}).to(kCUDA).cpu(), ones({3})));
  }

  TEST_CASE("profiler ranges") {
    cuda::set_nvtx(true);
    CHECK(cuda::nvtx_enabled());
    { const cuda::NvtxRange range("a test"); }
    cuda::set_nvtx(false);
    CHECK(!cuda::nvtx_enabled());
  }
}
