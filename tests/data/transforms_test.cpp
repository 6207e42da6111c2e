#include <doctest/doctest.h>
#include <fulmen/data/rows.h>
#include <fulmen/data/transforms.h>

#include <cmath>
#include <limits>
#include <random>

using namespace fulmen;
using namespace fulmen::data;

namespace {

Tensor column(const std::vector<double>& values, ScalarType dtype = kDouble) {
  return rows_of(std::span<const double>(values), dtype);
}
Tensor table(const std::vector<double>& values, int64_t columns, ScalarType dtype = kDouble) {
  return column(values, dtype).view({-1, columns});
}
double at(const Tensor& t, int64_t i) { return t.contiguous().to(kDouble).data_ptr<double>()[i]; }

void check_close(const Tensor& a, const Tensor& b, double tolerance) {
  REQUIRE(a.sizes() == b.sizes());
  for (int64_t i = 0; i < a.numel(); ++i) CHECK(at(a, i) == doctest::Approx(at(b, i)).epsilon(tolerance));
}

Tensor random_table(int64_t rows, int64_t columns, ScalarType dtype) {
  std::mt19937_64 random(5);
  std::vector<double> values;
  for (int64_t i = 0; i < rows * columns; ++i) {
    values.push_back(static_cast<double>(random() % 100000) / 100 * static_cast<double>(1 + i % columns));
  }
  return table(values, columns, dtype);
}

}  // namespace

TEST_SUITE("data") {
  TEST_CASE("transforms: Standardize, per column and for all") {
    Standardize s;
    CHECK_FALSE(s.fitted());
    s.fit(table({1, 10, 2, 10, 3, 10}, 2));
    CHECK(at(s.mean(), 0) == 2);
    CHECK(at(s.std(), 0) == doctest::Approx(std::sqrt(2.0 / 3)));
    CHECK(at(s.std(), 1) == 1);  // constant: only shifted
    Tensor y = s(table({1, 12}, 2));
    CHECK(at(y, 0) == doctest::Approx(-std::sqrt(1.5)));
    CHECK(at(y, 1) == 2);
    Standardize all;
    all.fit(column({2, 4}));
    CHECK(all.mean().dim() == 0);
    CHECK(at(all(table({3, 4, 2, 5}, 2)), 1) == 1);
    CHECK(all(column({3}, kFloat)).scalar_type() == kFloat);
  }

  TEST_CASE("transforms: RobustStandardize does not mind outliers") {
    RobustStandardize s;
    CHECK_FALSE(s.fitted());
    s.fit(table({1, 5, 2, 5, 3, 5, 4, 7, 1e9, 5}, 2));
    CHECK(at(s.median(), 0) == 3);
    CHECK(at(s.spread(), 0) == doctest::Approx(1.4826022));
    CHECK(at(s.spread(), 1) == 1);  // mostly constant: only shifted
    CHECK(at(s(table({4.4826022, 6}, 2)), 0) == doctest::Approx(1));
    CHECK(at(s.inverse(s(table({17, 6}, 2))), 0) == doctest::Approx(17));
    RobustStandardize even, stored;
    even.fit(column({4, 1, 3, 2}));
    CHECK(at(even.median(), 0) == 2.5);
    CHECK(at(even.spread(), 0) == doctest::Approx(1.4826022));
    stored.load_state(even.state());
    CHECK(at(stored(column({5})), 0) == at(even(column({5})), 0));
    CHECK(make_preprocessor("robust_standardize")->kind() == "robust_standardize");
  }

  TEST_CASE("transforms: MinMax, Log1p, Clip") {
    MinMax m(-1, 1);
    m.fit(column({10, 20, 30}));
    Tensor y = m(column({10, 20, 30, 40}));
    CHECK(at(y, 0) == -1);
    CHECK(at(y, 1) == 0);
    CHECK(at(y, 3) == 2);
    MinMax constant(2, 3);
    constant.fit(column({7, 7}));
    CHECK(at(constant(column({7})), 0) == 2);
    CHECK(at(constant.inverse(column({2})), 0) == 7);
    CHECK(at(Log1p()(column({0, std::exp(1.0) - 1})), 1) == doctest::Approx(1));
    Clip c(-2, 2);
    CHECK(at(c(column({-5, 1, 5})), 0) == -2);
    CHECK(at(c(column({-5, 1, 5})), 2) == 2);
    CHECK(at(c.inverse(column({1.5})), 0) == 1.5);
    CHECK(at(Clip()(column({1e30})), 0) == 1e30);
  }

  TEST_CASE("transforms: the inverse gives back what went in") {
    for (ScalarType dtype : {kFloat, kDouble}) {
      const double tolerance = dtype == kFloat ? 1e-4 : 1e-10;
      Tensor x = random_table(200, 3, dtype);
      Standardize standardize;
      MinMax min_max;
      Log1p log1p;
      Chain chain{Log1p(), Standardize(), MinMax(0, 5)};
      for (Transform* t : {static_cast<Transform*>(&standardize), static_cast<Transform*>(&min_max),
                           static_cast<Transform*>(&log1p), static_cast<Transform*>(&chain)}) {
        CAPTURE(t->kind());
        t->fit(x);
        CHECK(t->fitted());
        check_close(t->inverse((*t)(x)), x, tolerance);
        check_close(t->inverse((*t)(x.select(0, 0))), x.select(0, 0), tolerance);
      }
    }
  }

  TEST_CASE("transforms: each part of a chain is fitted on what comes before it") {
    Chain chain{Log1p(), Standardize()};
    chain.fit(column({std::exp(1.0) - 1, std::exp(3.0) - 1}));
    CHECK(at(chain(column({std::exp(2.0) - 1})), 0) == doctest::Approx(0));
    CHECK(at(chain(column({std::exp(3.0) - 1})), 0) == doctest::Approx(1));
    CHECK(at(chain.inverse(column({0})), 0) == doctest::Approx(std::exp(2.0) - 1));
  }

  TEST_CASE("transforms: copies share what was learnt") {
    Standardize member;
    std::shared_ptr<Transform> registered = std::make_shared<Standardize>(member);
    member.fit(column({1, 3}));
    CHECK(registered->fitted());
    Standardize fresh, kept = fresh;
    fresh.load_state(member.state());
    CHECK(at(kept(column({3})), 0) == 1);
  }

  TEST_CASE("transforms: state and back") {
    Tensor x = random_table(50, 2, kFloat);
    Chain chain{Clip(0, 900), Log1p(), Standardize(), MinMax(-1, 1)};
    chain.fit(x);
    PreprocessorState state = chain.state();
    Chain empty, same{Clip(), Log1p(), Standardize(), MinMax()}, other{Log1p(), Clip(), Standardize(), MinMax()},
        shorter{Log1p()};
    empty.load_state(state);
    same.load_state(state);
    CHECK(empty.size() == 4);
    Tensor y = chain(x);
    for (int64_t i = 0; i < y.numel(); ++i) {
      CHECK(at(empty(x), i) == at(y, i));
      CHECK(at(same(x), i) == at(y, i));
    }
    CHECK_THROWS_WITH_AS(other.load_state(state),
                         doctest::Contains("transform 0 is stored as 'clip', here it is 'log1p'"), Error);
    CHECK_THROWS_WITH_AS(shorter.load_state(state),
                         doctest::Contains("the stored chain has 4 transforms, this one has 1"), Error);
    CHECK(make_preprocessor("min_max")->kind() == "min_max");
    CHECK_THROWS_WITH_AS(make_preprocessor("standardise"), doctest::Contains("did you mean 'standardize'?"), Error);
  }

  TEST_CASE("transforms: a part that learns no tensor is restored in a chain as well") {
    Tensor prices = column({1e5, 1.1e5, 1.2e5, 1.3e5, 9e5, 2e6});
    Chain learnt{Log1pIfSkewed(), Standardize()}, fresh{Log1pIfSkewed(), Standardize()}, unfitted{Log1pIfSkewed()};
    learnt.fit(prices);
    fresh.load_state(learnt.state());
    check_close(fresh(prices), learnt(prices), 1e-12);
    check_close(fresh.inverse(learnt(prices)), prices, 1e-9);
    Chain empty;
    empty.load_state(learnt.state());
    check_close(empty.inverse(learnt(prices)), prices, 1e-9);
    Chain still{Log1pIfSkewed()};
    still.load_state(unfitted.state());
    CHECK(!still.fitted());
  }

  TEST_CASE("transforms: damaged states are refused and change nothing") {
    Standardize s;
    s.fit(column({1, 3}));
    CHECK_THROWS_AS(s.load_state({}), Error);
    CHECK_THROWS_AS(s.load_state({"{}", {{"mean", column({1, 2})}, {"std", column({1})}}}), Error);
    CHECK(at(s.mean(), 0) == 2);
    MinMax m;
    for (const char* json : {"", "[]", "{", "{\"low\":\"a\",\"high\":1}", "null"})
      CHECK_THROWS_AS(m.load_state({json, s.state().tensors}), Error);
    Chain c;
    for (const char* json : {"{}", "{\"parts\":1}", "{\"parts\":[1]}", "{\"parts\":[{\"kind\":\"no\",\"state\":{}}]}",
                             "{\"parts\":[{\"kind\":\"table_encoder\",\"state\":{}}]}"}) {
      CHECK_THROWS_AS(c.load_state({json, {}}), Error);
    }
    CHECK(c.size() == 0);
    CHECK_THROWS_WITH_AS(c.load_state({std::string(1000000, '['), {}}), doctest::Contains("nested more than 64 levels"),
                         Error);
  }

  TEST_CASE("transforms: skewness") {
    CHECK(skewness(column({1, 2, 3})) == doctest::Approx(0));
    CHECK(skewness(column({0, 0, 0, 4})) == doctest::Approx(1.1547005));
    CHECK(skewness(column({5, 5})) == 0);
  }

  TEST_CASE("transforms: errors say what to do") {
    Standardize s;
    CHECK_THROWS_WITH_AS(s(column({1})), doctest::Contains("standardize: call fit() on training data first"), Error);
    CHECK_THROWS_WITH_AS(s.fit(column({})), doctest::Contains("cannot be fitted on an empty tensor"), Error);
    CHECK_THROWS_WITH_AS(s.fit(table({1, 2, 3, std::numeric_limits<double>::quiet_NaN()}, 2)),
                         doctest::Contains("not finite: nan in row 1, column 1"), Error);
    s.fit(table({1, 2, 3, 4}, 2));
    CHECK_THROWS_WITH_AS(s(table({1, 2, 3}, 3)), doctest::Contains("was fitted on 2 columns; got float64[1, 3]"),
                         Error);
    CHECK_THROWS_WITH_AS(Log1p().fit(column({1, -1})), doctest::Contains("values must be above -1; got -1 in row 1"),
                         Error);
    CHECK_THROWS_AS(MinMax(1, 1), Error);
    CHECK_THROWS_AS(Clip(2, 1), Error);
  }
}
