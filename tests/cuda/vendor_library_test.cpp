#include <doctest/doctest.h>
#include <fulmen/kernels/vendor_library.h>
#include <fulmen/tensor/error.h>
#include <tests/message_of.h>

using namespace fulmen;
using testing::mentions;
using testing::message_of;

TEST_SUITE("cuda") {
  TEST_CASE("a library that is missing says what was tried and how to fix it") {
    const cuda::VendorLibrary missing("fulmen_nothing", {13, 12});
    CHECK_FALSE(missing.available());
    CHECK(missing.find("anything") == nullptr);
    const std::string message = message_of([&] { missing.require("a test", "do without"); });
    for (const char* part : {"a test needs libfulmen_nothing", "libfulmen_nothing.so.13", "libfulmen_nothing.so.12",
                             "/usr/local/cuda/lib64/libfulmen_nothing.so", "the loader says: libfulmen_nothing.so.13",
                             "FULMEN_CUDA_LIBRARIES", "or do without"}) {
      INFO(message);
      CHECK(mentions(message, part));
    }
  }
}
