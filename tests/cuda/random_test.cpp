#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/kernels/philox.h>
#include <fulmen/tensor/cuda.h>

using namespace fulmen;

TEST_SUITE("cuda") {
  // Known answers of the authors' library Random123 (kat_vectors).
  TEST_CASE("philox gives the published numbers") {
    const PhiloxBlock zero = philox(0, 0, 0);
    CHECK(zero.word[0] == 0x6627e8d5u);
    CHECK(zero.word[1] == 0xe169c58du);
    CHECK(zero.word[2] == 0xbc57ac4cu);
    CHECK(zero.word[3] == 0x9b00dbd8u);
    const PhiloxBlock ones = philox(~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0});
    CHECK(ones.word[0] == 0x408f276du);
    CHECK(ones.word[1] == 0x41c83b0eu);
    CHECK(ones.word[2] == 0xa20bc7c6u);
    CHECK(ones.word[3] == 0x6d5451fdu);
    const PhiloxBlock pi = philox(0x299f31d0a4093822u, 0x0370734413198a2eu, 0x85a308d3243f6a88u);
    CHECK(pi.word[0] == 0xd16cfe09u);
    CHECK(pi.word[1] == 0x94fdccebu);
    CHECK(pi.word[2] == 0x5001e420u);
    CHECK(pi.word[3] == 0x24126ea1u);
  }

  TEST_CASE("a generator per device: seeds, offsets, states") {
    const Device device = cuda::exact(kCUDA);
    manual_seed(11);
    Generator& generator = default_generator(device);
    CHECK(generator.device() == device);
    CHECK(generator.current_seed() == 11);
    CHECK(generator->philox_offset() == 0);
    Tensor x = empty({1000}, TensorOptions(kFloat).device(device));
    x.uniform_();
    CHECK(generator->philox_offset() == philox_words);
    const std::vector<uint64_t> state = generator->state();
    const Tensor first = x.uniform_().cpu(), second = x.uniform_().cpu();
    CHECK(!equal(first, second));
    generator->set_state(state);
    CHECK(equal(x.uniform_().cpu(), first));
    CHECK_THROWS_WITH_AS(generator->set_state({1, 2, 3}), doctest::Contains("seed and an offset"), Error);
    CHECK_THROWS_AS(generator->set_philox_offset(3), Error);

    Generator own(5, device);
    const Tensor mine = x.uniform_(0, 1, own).cpu();
    own.set_current_seed(5);
    CHECK(equal(x.uniform_(0, 1, own).cpu(), mine));
    CHECK_THROWS_WITH_AS(x.uniform_(0, 1, Generator(5)), doctest::Contains("Expected a 'cuda:0' generator"), Error);
  }

  TEST_CASE("the numbers are philox's, whatever the shape of the launch") {
    manual_seed(3);
    for (int64_t n : {1, 7, 5000}) {
      manual_seed(3);
      const Tensor x = rand({n}, TensorOptions(kFloat).device(kCUDA)).cpu();
      for (int64_t i : {int64_t{0}, n / 2, n - 1}) {
        const uint32_t word = philox(3, static_cast<uint64_t>(i / 4), 0).word[i % 4];
        CHECK(x[i].item<float>() == static_cast<float>(word >> 8) * 0x1p-24f);
      }
    }
  }
}
