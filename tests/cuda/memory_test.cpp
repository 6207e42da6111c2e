#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/tensor/cuda.h>
#include <fulmen/tensor/safetensors.h>

#include <cstdlib>
#include <thread>

using namespace fulmen;

namespace {

constexpr int64_t MiB = 1 << 20;
Tensor bytes_on_cuda(int64_t n) { return empty({n}, TensorOptions(kByte).device(kCUDA)); }
/// Whether freed memory is kept; builds for sanitizers give it back at once.
bool caching() {
  const char* text = std::getenv("FULMEN_CUDA_CACHE");
#ifdef FULMEN_NO_POOL
  return text && std::string(text) == "on";
#else
  return !text || std::string(text) != "off";
#endif
}
const void* address(const Tensor& t) { return t.const_data_ptr(); }

}  // namespace

TEST_SUITE("cuda") {
  TEST_CASE("blocks are used again, split and joined" * doctest::skip(!caching())) {
    cuda::synchronize();
    cuda::empty_cache();
    const int64_t before = cuda::memory_allocated(), reserved = cuda::memory_reserved();
    Tensor a = bytes_on_cuda(1000);
    CHECK(cuda::memory_allocated() - before == 1024);
    CHECK(cuda::memory_reserved() - reserved == 2 * MiB);
    const void* first = address(a);
    Tensor b = bytes_on_cuda(512), c = bytes_on_cuda(512);
    CHECK(static_cast<const char*>(address(b)) == static_cast<const char*>(first) + 1024);
    CHECK(cuda::memory_reserved() - reserved == 2 * MiB);
    b = Tensor();
    a = Tensor();  // 1024 + 512 free bytes beside each other
    CHECK(address(bytes_on_cuda(1536)) == first);
    c = Tensor();
    CHECK(cuda::memory_allocated() == before);
    CHECK(address(bytes_on_cuda(MiB)) == first);
    cuda::empty_cache();
    CHECK(cuda::memory_reserved() == reserved);
  }

  TEST_CASE("large blocks: shared segments up to 10 MiB, own ones above" * doctest::skip(!caching())) {
    cuda::synchronize();
    cuda::empty_cache();
    const int64_t reserved = cuda::memory_reserved();
    Tensor a = bytes_on_cuda(3 * MiB), b = bytes_on_cuda(9 * MiB);
    CHECK(cuda::memory_reserved() - reserved == 20 * MiB);
    Tensor c = bytes_on_cuda(11 * MiB + 1);
    CHECK(cuda::memory_reserved() - reserved == 32 * MiB);
    const cuda::MemoryStats stats = cuda::memory_stats();
    CHECK(stats.inactive_split_bytes.current == 8 * MiB);
    CHECK(stats.allocated_bytes.peak >= stats.allocated_bytes.current);
  }

  TEST_CASE("statistics: peaks can be reset") {
    cuda::reset_peak_memory_stats();
    const int64_t before = cuda::memory_allocated();
    { Tensor t = bytes_on_cuda(4 * MiB); }
    CHECK(cuda::memory_allocated() == before);
    CHECK(cuda::max_memory_allocated() == before + 4 * MiB);
    cuda::reset_peak_memory_stats();
    CHECK(cuda::max_memory_allocated() == before);
  }

  TEST_CASE("out of memory says what was asked for, is free and is held") {
    cuda::empty_cache();
    Tensor held = bytes_on_cuda(30 * MiB);
    cuda::set_per_process_memory_fraction(static_cast<double>(cuda::memory_reserved() + 8 * MiB) /
                                          static_cast<double>(cuda::get_device_properties().total_memory));
    const int64_t ooms = cuda::memory_stats().num_ooms;
    std::string text;
    try {
      bytes_on_cuda(100 * MiB);
    } catch (const Error& error) {
      text = error.what();
      CHECK(error.code() == "E018");
    }
    CHECK(text.find("CUDA out of memory. Tried to allocate 100 MiB. cuda:0 has ") != std::string::npos);
    CHECK(text.find("in tensors") != std::string::npos);
    CHECK(cuda::memory_stats().num_ooms == ooms + 1);
    // Cached memory goes back before anybody is refused.
    cuda::set_per_process_memory_fraction(static_cast<double>(cuda::memory_reserved() + 2 * MiB) /
                                          static_cast<double>(cuda::get_device_properties().total_memory));
    held = Tensor();
    CHECK_NOTHROW(bytes_on_cuda(31 * MiB));
    cuda::set_per_process_memory_fraction(1);
  }

  TEST_CASE("memory of a stream is used again on that stream only" * doctest::skip(!caching())) {
    cuda::empty_cache();
    const cuda::Stream side;
    const void* first = nullptr;
    {
      Tensor t = bytes_on_cuda(5000);
      first = address(t);
    }
    {
      const cuda::StreamGuard guard(side);
      CHECK(address(bytes_on_cuda(5000)) != first);
    }
    CHECK(address(bytes_on_cuda(5000)) == first);
  }

  TEST_CASE("record_stream: a block that another stream uses waits for it" * doctest::skip(!caching())) {
    cuda::empty_cache();
    const cuda::Stream side;
    const void* first = nullptr;
    {
      Tensor t = bytes_on_cuda(5000);
      first = address(t);
      cuda::record_stream(t, side);
    }
    side.synchronize();
    CHECK(address(bytes_on_cuda(5000)) == first);  // the event was reached
  }

  TEST_CASE("storage of a cuda tensor grows and keeps its bytes") {
    Tensor t = tensor({1.0f, 2.0f, 3.0f}, TensorOptions(kFloat).device(kCUDA));
    t.resize_({5});
    const Tensor back = t.cpu();
    CHECK(back.size(0) == 5);
    CHECK(back[2].item<float>() == 3.0f);
  }

  TEST_CASE("a view and data() keep the memory") {
    Tensor part;
    {
      Tensor whole = arange(0, 10, 1, TensorOptions(kFloat)).to(kCUDA);
      part = whole.data().narrow(0, 4, 2);
    }
    Tensor other = empty({10}, TensorOptions(kFloat).device(kCUDA)).copy_(zeros({10}));
    CHECK(part.cpu()[0].item<float>() == 4.0f);
  }

  TEST_CASE("locked memory") {
    const Tensor t = rand({100}), pinned = t.pin_memory();
    CHECK(!t.is_pinned());
    CHECK(pinned.is_pinned());
    CHECK(pinned.is_cpu());
    CHECK(pinned.pin_memory().is_same(pinned));
    CHECK(equal(pinned, t));
    CHECK(empty({4}, TensorOptions().pinned_memory(true)).is_pinned());
    const Tensor there = pinned.to(TensorOptions(kCUDA), /*non_blocking=*/true);
    CHECK(equal(there.cpu(), t));
    CHECK_THROWS_WITH_AS(there.pin_memory(), doctest::Contains("only dense CPU tensors can be pinned"), Error);
    Tensor home = empty({100}, TensorOptions().pinned_memory(true));
    home.copy_(there, /*non_blocking=*/true);
    cuda::current_stream().synchronize();
    CHECK(equal(home, t));
  }

  TEST_CASE("locked memory is not used again while a stream reads it") {
    Tensor there = empty({1 << 16}, TensorOptions(kFloat).device(kCUDA));
    for (int i = 0; i < 8; ++i) {
      there.copy_(full({1 << 16}, static_cast<double>(i)).pin_memory(), true);
      full({1 << 16}, -1.0).pin_memory();
    }
    CHECK(there.cpu()[12345].item<float>() == 7.0f);
  }

  TEST_CASE("files of cuda tensors") {
    Safetensors content;
    content.tensors.emplace_back("w", tensor({1.5f, -2.0f}, TensorOptions(kFloat).device(kCUDA)));
    const std::string bytes = safetensors_bytes(content);
    const Safetensors back = safetensors_from_bytes(bytes.data(), bytes.size(), "bytes");
    CHECK(back.tensors[0].second.is_cpu());
    CHECK(back.tensors[0].second[1].item<float>() == -2.0f);
  }

  TEST_CASE("threads share the allocator") {
    const int64_t before = cuda::memory_allocated();
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([i] {
        for (int k = 0; k < 50; ++k) {
          const Tensor t = full({64 + 100 * i + k}, static_cast<double>(i * 100 + k)).to(kCUDA);
          if (t.cpu()[3].item<float>() != static_cast<float>(i * 100 + k)) FAIL("another thread's numbers");
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(cuda::memory_allocated() == before);
  }
}
