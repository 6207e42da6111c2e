#include <doctest/doctest.h>
#include <fulmen/data/table_encoder.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

using namespace fulmen;
using namespace fulmen::data;

namespace {

using Texts = std::vector<std::string>;
constexpr float root = 1.22474487f;  // sqrt(3 / 2): 1, 2, 3 standardised are -root, 0, root

std::vector<float> row(const Tensor& t, int64_t i) {
  const float* p = t.data_ptr<float>() + i * t.size(1);
  return {p, p + t.size(1)};
}
void check_row(const Tensor& t, int64_t i, const std::vector<float>& expected) {
  std::vector<float> got = row(t, i);
  REQUIRE(got.size() == expected.size());
  for (size_t k = 0; k < got.size(); ++k) {
    CAPTURE(k);
    CHECK(got[k] == doctest::Approx(expected[k]));
  }
}
bool same(const Tensor& a, const Tensor& b) {
  if (a.sizes() != b.sizes()) return false;
  for (int64_t i = 0; i < a.size(0); ++i) {
    if (row(a, i) != row(b, i)) return false;
  }
  return true;
}

}  // namespace

TEST_SUITE("data") {
  TEST_CASE("encoder: numbers are filled and standardised, texts become one feature per category") {
    CsvTable t = parse_csv("size,street,pool\n1,Pave,\n2,Grvl,1\n3,Pave,2\n", {}, "t.csv");
    TableEncoder e;
    CHECK_FALSE(e.fitted());
    CHECK_THROWS_WITH_AS(e(t), doctest::Contains("call fit() on the training rows first"), Error);
    e.fit(t);
    CHECK(e.feature_names() == Texts{"size", "street=Grvl", "street=Pave", "pool", "pool is missing"});
    CHECK(e.features() == 5);
    Tensor x = e(t);
    CHECK(x.sizes() == IntArrayRef({3, 5}));
    check_row(x, 0, {-root, 0, 1, 0, 1});  // pool: median 1.5 fills, mean 1.5
    check_row(x, 1, {0, 1, 0, -root, 0});
    check_row(x, 2, {root, 0, 1, root, 0});
  }

  TEST_CASE("encoder: other tables, by column name") {
    TableEncoder e;
    e.fit(parse_csv("size,street\n1,Pave\n2,Grvl\n3,Pave\n"));
    EncodingReport report;
    Tensor x = e(parse_csv("extra,street,size\n9,Mud,2\n9,,\n9,Mud,3\n9,Grvl,1\n", {}, "new.csv"), &report);
    check_row(x, 0, {0, 0, 0});
    check_row(x, 1, {0, 0, 0});
    check_row(x, 2, {root, 0, 0});
    check_row(x, 3, {-root, 1, 0});
    REQUIRE(report.unknown.size() == 2);
    CHECK(report.unknown[0].category == "Mud");
    CHECK(report.unknown[0].rows == 2);
    CHECK(report.unknown[1].category == "(missing)");
    CHECK(report.filled_numbers == 1);
    CHECK(report.summary().find("3 cells hold categories that training did not have") == 0);
    CHECK(report.summary().find("'Mud' (2 cells, first new.csv:2, column 'street')") != std::string::npos);
    CHECK(EncodingReport().summary().empty());
  }

  TEST_CASE("encoder: rare and missing categories") {
    TableEncoder e({.min_category_rows = 2});
    e.fit(parse_csv("c,n\nb,1\na,2\na,3\nb,4\nrare,5\n,6\n"));
    CHECK(e.feature_names() == Texts{"c=a", "c=b", "c=(missing)", "c=(other)", "n"});
    EncodingReport report;
    Tensor x = e(parse_csv("c,n\nnew,3.5\n,3.5\nrare,3.5\nb,3.5\n"), &report);
    check_row(x, 0, {0, 0, 0, 1, 0});
    check_row(x, 1, {0, 0, 1, 0, 0});
    check_row(x, 2, {0, 0, 0, 1, 0});
    check_row(x, 3, {0, 1, 0, 0, 0});
    CHECK(report.unknown.empty());
    TableEncoder few({.max_categories = 1});
    few.fit(parse_csv("c,n\nz,1\nz,1\na,1\n"));
    CHECK(few.feature_names() == Texts{"c=z", "c=(other)", "n"});
  }

  TEST_CASE("encoder: logarithm of skewed columns, clipping, standardised categories, mean") {
    std::string text = "area,age,c\n";
    for (int i = 0; i < 50; ++i)
      text += std::to_string(i == 0 ? 100000 : 10) + "," + std::to_string(-i) + "," + (i % 2 ? "x" : "y") + "\n";
    TableEncoder e({.log_above_skewness = 1, .clip = 1.5, .standardize_categories = true});
    CsvTable t = parse_csv(text);
    e.fit(t);
    Tensor x = e(t);
    CHECK(row(x, 0)[0] == 1.5f);
    const double low = std::log1p(10), high = std::log1p(100000), mean = (49 * low + high) / 50;
    const double deviation = std::sqrt((49 * (low - mean) * (low - mean) + (high - mean) * (high - mean)) / 50);
    CHECK(row(x, 1)[0] == doctest::Approx((low - mean) / deviation));
    CHECK(row(x, 1)[2] == 1);
    CHECK(row(x, 1)[3] == -1);
    CHECK(row(e(parse_csv("area,age,c\n-5,0,x\n")), 0)[0] == doctest::Approx(std::max(-1.5, (0 - mean) / deviation)));
    TableEncoder m({.fill = TableEncoderOptions::Fill::Mean, .missing_feature = false});
    m.fit(parse_csv("a,b\n1,0\n5,0\n,0\n"));
    CHECK(m.features() == 2);
    check_row(m(parse_csv("a,b\n,0\n")), 0, {0, 0});
  }

  TEST_CASE("encoder: bins fill up from the smallest to the largest training value") {
    TableEncoder e({.bins = 4});
    e.fit(parse_csv("x,flag\n1,0\n2,0\n3,1\n4,1\n5,1\n6,1\n7,1\n8,1\n9,1\n"));
    CHECK(e.feature_names() == Texts{"x", "x bin 1", "x bin 2", "x bin 3", "x bin 4", "flag"});
    Tensor x = e(parse_csv("x,flag\n1,0\n4,0\n9,0\n-100,0\n100,0\n"));
    const std::vector<std::vector<float>> expected = {
        {0, 0, 0, 0}, {1, 0.5, 0, 0}, {1, 1, 1, 1}, {0, 0, 0, 0}, {1, 1, 1, 1}};
    for (int64_t i = 0; i < 5; ++i) {
      for (size_t k = 0; k < 4; ++k) {
        CHECK(row(x, i)[k + 1] == doctest::Approx(expected[static_cast<size_t>(i)][k]));
      }
    }
    // Equal quantiles make one bin; a column with too few different values has none.
    TableEncoder few({.bins = 4});
    few.fit(parse_csv("x,y\n0,1\n0,1\n0,1\n1,1\n2,1\n3,2\n,2\n"));
    CHECK(few.feature_names() == Texts{"x", "x bin 1", "x bin 2", "x bin 3", "x is missing", "y"});
    // Nine rows: three bins of three.
    TableEncoder wide({.bins = 32, .min_bin_rows = 3});
    wide.fit(parse_csv("x\n1\n2\n3\n4\n5\n6\n7\n8\n9\n"));
    CHECK(wide.feature_names() == Texts{"x", "x bin 1", "x bin 2", "x bin 3"});
    CHECK_THROWS_AS(TableEncoder({.bins = -1}), Error);
    CHECK_THROWS_AS(TableEncoder({.min_bin_rows = 0}), Error);
  }

  TEST_CASE("encoder: columns without values or without spread become zeros") {
    TableEncoder e;
    CsvTable t = parse_csv("empty,constant,x\n,7,1\n,7,2\n");
    e.fit(t);
    CHECK(e.feature_names() == Texts{"empty", "constant", "x"});
    check_row(e(t), 0, {0, 0, -1});
    check_row(e(parse_csv("empty,constant,x\n5,8,1.5\n")), 0, {5, 1, 0});
  }

  TEST_CASE("encoder: only the rows given to fit count") {
    CsvTable t = parse_csv("c,n\na,1\nb,2\nc,3\n");
    const int64_t rows[] = {0, 2};
    TableEncoder e;
    e.fit(t.take(rows));
    CHECK(e.feature_names() == Texts{"c=a", "c=c", "n"});
    check_row(e(t), 1, {0, 0, 0});
    CHECK_THROWS_AS(e.fit(t.take({})), Error);
  }

  TEST_CASE("encoder: a file whose columns look different from training's") {
    TableEncoder e;
    e.fit(parse_csv("code,n\nA,1\n5,2\nB,3\n7,4\nC,5\nD,6\n"));
    // All codes of this file are numbers, and its only number is missing.
    CsvTable numbers = parse_csv("code,n\n5,\n7,\n");
    CHECK_FALSE(numbers.column("code").is_text);
    CHECK(row(e(numbers), 0)[0] == 1);
    CsvTable words = parse_csv("code,n\nA,x\nB,2\n", {}, "new.csv");
    CHECK(words.column("n").is_text);
    CHECK_THROWS_WITH_AS(
        e(words), doctest::Contains("new.csv:2, column 'n': 'x' is not a number; the column held numbers in training"),
        Error);
    CHECK_THROWS_WITH_AS(parse_csv("code,n\n5,x\n", e.csv_options(), "new.csv"),
                         doctest::Contains("new.csv:2, column 'n': 'x' is not a number"), Error);
    CHECK(parse_csv("code,n\n5,1\n", e.csv_options()).column("code").is_text);
    CHECK_THROWS_WITH_AS(
        e(parse_csv("codes,k\n5,1\n", {}, "new.csv")),
        doctest::Contains("new.csv: the model was trained with columns that are missing here: 'code', 'n'"), Error);
    CHECK_THROWS_WITH_AS(e(parse_csv("codes,n\n5,1\n", {}, "new.csv")), doctest::Contains("rename 'codes' for 'code'?"),
                         Error);
  }

  TEST_CASE("encoder: state and back, bit for bit") {
    std::string text = "area,street,rooms,kind\n";
    std::mt19937 random(3);
    const char* streets[] = {"Pave", "Grvl", "", "\"a, \"\"b\"\"\"", "M\xc3\xbcller"};
    for (int i = 0; i < 200; ++i) {
      text += std::to_string(random() % 10000) + "." + std::to_string(random() % 1000) + "," + streets[random() % 5] +
              "," + (random() % 4 ? std::to_string(random() % 9) : "NA") + ",k" + std::to_string(random() % 40) + "\n";
    }
    CsvTable t = parse_csv(text);
    for (bool standardize : {false, true}) {
      TableEncoder e({.log_above_skewness = 0.5,
                      .clip = 3,
                      .bins = 5,
                      .min_bin_rows = 7,
                      .min_category_rows = 4,
                      .standardize_categories = standardize});
      e.fit(t);
      TableEncoder loaded, shared = loaded;
      loaded.load_state(e.state());
      CHECK(loaded.feature_names() == e.feature_names());
      CHECK(same(shared(t), e(t)));
      CHECK(loaded.state().json == e.state().json);
    }
    auto stored = make_preprocessor("table_encoder");
    CHECK_FALSE(stored->fitted());
  }

  TEST_CASE("encoder: damaged states are refused and change nothing") {
    CsvTable t = parse_csv("a,c\n1,x\n2,y\n");
    TableEncoder e({.standardize_categories = true}), target;
    e.fit(t);
    target.fit(t);
    PreprocessorState good = e.state();
    nlohmann::json json = nlohmann::json::parse(good.json);
    auto refuse = [&](const nlohmann::json& changed) {
      CHECK_THROWS_AS(target.load_state({changed.dump(), good.tensors}), Error);
    };
    for (auto& item : json.items()) {
      nlohmann::json without = json, wrong = json;
      without.erase(item.key());
      wrong[item.key()] = nlohmann::json::array({1});
      if (item.key() != "clip" && item.key() != "log_above_skewness") refuse(without);
      refuse(wrong);
    }
    json["columns"].push_back(json["columns"][0]);
    refuse(json);
    CHECK_THROWS_AS(target.load_state({good.json, {}}), Error);
    for (size_t cut = 0; cut < good.json.size(); ++cut) {
      CHECK_THROWS_AS(target.load_state({good.json.substr(0, cut), good.tensors}), Error);
    }
    CHECK(target.features() == 3);
    CHECK_THROWS_AS(TableEncoder({.clip = 0}), Error);
    CHECK_THROWS_AS(TableEncoder({.min_category_rows = 0}), Error);
  }
}
