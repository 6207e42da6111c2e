#include <doctest/doctest.h>
#include <fulmen/kernels/cpu/math.h>

#include <bit>
#include <cmath>
#include <initializer_list>
#include <limits>

using namespace fulmen;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity();
const float not_a_number = std::numeric_limits<float>::quiet_NaN();

/// The largest error over floats of every magnitude in [low, high], in units of the last place of the exact result.
template <class F, class G>
double worst_error(F f, G exact, float low, float high) {
  double worst = 0;
  for (uint64_t bits = 0; bits <= 0xffffffffu; bits += 99991) {
    float x = std::bit_cast<float>(static_cast<uint32_t>(bits));
    if (!(x >= low && x <= high)) continue;
    double y = exact(static_cast<double>(x));
    float nearest = static_cast<float>(y);
    if (std::isinf(nearest) || std::isnan(nearest)) continue;
    float size = std::fabs(nearest);
    double unit = static_cast<double>(std::nextafter(size, inf)) - static_cast<double>(size);
    double error = std::fabs(static_cast<double>(f(x)) - y) / unit;
    if (error > worst) worst = error;
  }
  return worst;
}
#define WORST(name, low, high) \
  worst_error([](float x) { return math::name(x); }, [](double x) { return std::name(x); }, low, high)

}  // namespace

TEST_SUITE_BEGIN("kernels");

TEST_CASE("exponentials and logarithms are good to about two units in the last place") {
  CHECK(WORST(exp, -104, 89) < 1.1);
  CHECK(WORST(exp2, -150, 128) < 1.1);
  CHECK(WORST(expm1, -104, 89) < 2);
  CHECK(WORST(log, 0, 3e38f) < 1.1);
  CHECK(WORST(log2, 0, 3e38f) < 2);
  CHECK(WORST(log10, 0, 3e38f) < 2.2);
  CHECK(WORST(log1p, -1, 3e38f) < 2.6);
}

TEST_CASE("trigonometric, hyperbolic and error functions") {
  CHECK(WORST(sin, -math::trigonometric_reach, math::trigonometric_reach) < 2);
  CHECK(WORST(cos, -math::trigonometric_reach, math::trigonometric_reach) < 2);
  CHECK(WORST(tan, -100, 100) < 4);
  CHECK(WORST(asin, -1, 1) < 3);
  CHECK(WORST(acos, -1, 1) < 3);
  CHECK(WORST(atan, -3e38f, 3e38f) < 3);
  CHECK(WORST(tanh, -100, 100) < 2);
  CHECK(WORST(sinh, -88, 88) < 4);
  CHECK(WORST(cosh, -88, 88) < 4);
  CHECK(WORST(erf, -10, 10) < 3);
}

TEST_CASE("values at the edges") {
  CHECK(math::exp(inf) == inf);
  CHECK(math::exp(-inf) == 0);
  CHECK(math::exp(1000.0f) == inf);
  CHECK(math::exp(-1000.0f) == 0);
  CHECK(math::expm1(-inf) == -1);
  CHECK(math::log(0.0f) == -inf);
  CHECK(math::log(inf) == inf);
  CHECK(std::isnan(math::log(-1.0f)));
  CHECK(math::log2(8.0f) == 3);
  CHECK(math::log1p(-1.0f) == -inf);
  CHECK(math::log1p(inf) == inf);
  CHECK(math::tanh(inf) == 1);
  CHECK(math::tanh(-inf) == -1);
  CHECK(math::erf(inf) == 1);
  CHECK(math::sigmoid(-inf) == 0);
  CHECK(math::sigmoid(inf) == 1);
  CHECK(std::isnan(math::asin(1.5f)));
  CHECK(std::isnan(math::sin(inf)));
  for (float y : {math::exp(not_a_number), math::log(not_a_number), math::tanh(not_a_number), math::erf(not_a_number),
                  math::sin(not_a_number), math::log1p(not_a_number), math::expm1(not_a_number),
                  math::atan(not_a_number), math::acos(not_a_number), math::sinh(not_a_number)}) {
    CHECK(std::isnan(y));
  }
}

TEST_SUITE_END();
