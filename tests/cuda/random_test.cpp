#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/kernels/philox.h>
#include <fulmen/tensor/cuda.h>

#include <algorithm>
#include <cmath>

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

  TEST_CASE("what random tensors hold: every kernel against philox on the host") {
    const TensorOptions there = TensorOptions(kFloat).device(kCUDA);
    const auto draw = [](uint64_t i) {
      const PhiloxBlock b = philox(5, i / 4, i / 2 % 2);
      return static_cast<uint64_t>(b.word[i % 2 * 2]) << 32 | b.word[i % 2 * 2 + 1];
    };
    const auto unit = [](uint64_t i) { return static_cast<double>(philox(5, i / 4, 0).word[i % 4] >> 8) * 0x1p-24; };
    const auto seeded = [](auto make) {
      manual_seed(5);
      return make().cpu();
    };
    constexpr int64_t n = 1003;
    const Tensor normal = seeded([&] { return randn({n}, there); });
    const Tensor wide = seeded([&] { return rand({n}, there.dtype(kDouble)); });
    const Tensor integers = seeded([&] { return randint(-3, 1000000, {n}, there.dtype(kLong)); });
    const Tensor huge = seeded([&] { return randint(0, int64_t{1} << 40, {n}, there.dtype(kLong)); });
    const Tensor coins = seeded([&] { return empty({n}, there.dtype(kBool)).bernoulli_(0.3); });
    const Tensor waits = seeded([&] { return empty({n}, there).exponential_(2); });
    bool right = true;
    for (uint64_t i = 0; i < n; ++i) {
      const auto at = static_cast<int64_t>(i);
      const double u = unit(i / 2 * 2), v = unit(i / 2 * 2 + 1), radius = std::sqrt(-2 * std::log1p(-u));
      const double expected = radius * (i % 2 == 0 ? std::cos(6.283185307179586 * v) : std::sin(6.283185307179586 * v));
      right = right && std::fabs(normal[at].item<double>() - expected) <= 2e-6 * (1 + std::fabs(expected));
      right = right && wide[at].item<double>() == static_cast<double>(draw(i) >> 11) * 0x1p-53;
      right = right && integers[at].item<int64_t>() == philox(5, i / 4, 0).word[i % 4] % 1000003u - int64_t{3};
      right = right && huge[at].item<int64_t>() == static_cast<int64_t>(draw(i) % (uint64_t{1} << 40));
      right = right && coins[at].item<bool>() == (static_cast<double>(draw(i) >> 11) * 0x1p-53 < 0.3);
      right = right && std::fabs(waits[at].item<double>() + std::log1p(-unit(i)) / 2) <= 1e-6;
    }
    CHECK(right);
  }

  TEST_CASE("permutations and choices") {
    for (int64_t n : {1, 2, 1000, 1024, 5000}) {
      const Tensor order = randperm(n, TensorOptions(kLong).device(kCUDA)).cpu();
      std::vector<bool> seen(static_cast<size_t>(n));
      for (int64_t i = 0; i < n; ++i) seen[static_cast<size_t>(order[i].item<int64_t>())] = true;
      CHECK(std::find(seen.begin(), seen.end(), false) == seen.end());
      if (n == 1000) CHECK(!equal(order, arange(n)));
    }
    const Tensor weights = tensor({{0.0f, 1.0f, 3.0f, 0.0f}, {1.0f, 0.0f, 0.0f, 0.0f}}).to(kCUDA);
    manual_seed(2);
    const Tensor chosen = multinomial(weights, 4000, true).cpu();
    const auto share = [&](int64_t row, int64_t column) {
      return chosen[row].eq(column).to(kFloat).mean().item<double>();
    };
    CHECK(share(0, 0) == 0);
    CHECK(share(0, 3) == 0);
    CHECK(std::fabs(share(0, 2) - 0.75) < 0.03);
    CHECK(share(1, 0) == 1);
  }
}
