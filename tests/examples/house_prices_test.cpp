#include <doctest/doctest.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "tests/examples/house_prices_process.h"

namespace {

using namespace fulmen::testing;

/// 200 houses: a price made of area, a text column, and missing cells.
std::string sales(int rows = 200) {
  std::string csv = "area,kind,age,price\n";
  for (int i = 0; i < rows; ++i) {
    const int area = 50 + (i * 37) % 150, age = (i * 13) % 60;
    csv += std::to_string(area) + (i % 3 ? ",house," : ",flat,") + (i % 17 ? std::to_string(age) : "") + "," +
           std::to_string(1000 * area - 300 * age + (i % 3 ? 20000 : 0)) + "\n";
  }
  return csv;
}

void write(const Folder& folder, const std::string& name, const std::string& text) {
  std::ofstream(folder.path / name, std::ios::binary) << text;
}

const std::string data = "--data sales.csv --target price --max-epochs 40 --lr 0.01";

}  // namespace

TEST_SUITE("examples") {
  TEST_CASE("house prices: fit, test and predict in processes of their own") {
    if (!has_house_prices()) return;
    Folder folder;
    write(folder, "sales.csv", sales());
    const Finished fit = house_prices(folder, "fit " + data);
    REQUIRE_MESSAGE(fit.status == 0, fit.error);
    CHECK(fs::exists(folder.path / "house_prices_run/report.html"));
    const auto result = nlohmann::json::parse(last_line(fit.output));
    CHECK(result.at("test_r2").get<double>() > 0.9);
    for (const char* key : {"test_rmse", "test_mae", "seconds"}) CHECK(result.at(key).get<double>() > 0);

    const Finished validate = house_prices(folder, "validate --data sales.csv");
    REQUIRE_MESSAGE(validate.status == 0, validate.error);
    CHECK(nlohmann::json::parse(validate.output).at("val_mae").get<double>() < 0.5);

    const Finished test = house_prices(folder, "test --data sales.csv");
    REQUIRE_MESSAGE(test.status == 0, test.error);
    CHECK(nlohmann::json::parse(test.output).at("test_rmse") == result.at("test_rmse"));
    CHECK(result.at("test_coverage").get<double>() > 0.7);  // of a 90 % interval, after few epochs

    // New houses: other order of columns, no price, a kind nobody has seen.
    write(folder, "new.csv", "kind,age,area\nhouse,10,100\nflat,,60\ncastle,5,120\n");
    fs::remove(folder.path / "sales.csv");
    const Finished predict = house_prices(folder, "predict --ckpt house_prices_run/best.ckpt --data new.csv");
    REQUIRE_MESSAGE(predict.status == 0, predict.error);
    double price = 0, low = 0, high = 0;
    int rows = 0, read = 0;
    for (const char* at = predict.output.c_str(); std::sscanf(at, "%lf %lf %lf\n%n", &price, &low, &high, &read) == 3;
         at += read) {
      CHECK(low < price);
      CHECK(price < high);
      ++rows;
    }
    CHECK(rows == 3);
    CHECK(house_prices(folder, "predict --ckpt house_prices_run/best.ckpt --data new.csv").output == predict.output);
  }

  TEST_CASE("house prices: the same bits with 1, 2 and 4 threads") {
    if (!has_house_prices()) return;
    Folder folder;
    write(folder, "sales.csv", sales(2000));
    std::string first;
    for (const char* threads : {"OMP_NUM_THREADS=1", "OMP_NUM_THREADS=2", "OMP_NUM_THREADS=4"}) {
      REQUIRE(house_prices(folder, "fit " + data + " --max-epochs 2", threads).status == 0);
      const Finished run = house_prices(folder, "predict --ckpt house_prices_run/best.ckpt --data sales.csv", threads);
      REQUIRE_MESSAGE(run.status == 0, run.error);
      const std::string result = text_of(folder.path / "house_prices_run/best.ckpt") + run.output;
      if (first.empty()) first = result;
      CHECK(result == first);
    }
  }

  TEST_CASE("house prices: bad input is one clear line, exit status 2, and nothing written") {
    if (!has_house_prices()) return;
    struct Case {
      std::string csv, arguments, says;
    };
    std::string text_among_numbers = sales(), missing_price = sales(), not_a_number = sales();
    text_among_numbers.replace(text_among_numbers.find("\n87,"), 4, "\nbig,");
    missing_price.replace(missing_price.find(",50000\n"), 7, ",\n");
    const std::string header = "area,price\n";
    std::string constant = header;
    for (int i = 0; i < 100; ++i) constant += std::to_string(50 + i) + ",5000\n";
    const Case cases[] = {
        {constant, "fit " + data, "column 'price' is 5000 in every row; there is nothing to learn"},
        {"kind,price\nh\xF6use,5\n", "fit " + data, "sales.csv:2: byte 12 is not UTF-8"},
        {sales() + "1,house\n", "fit " + data, "sales.csv:202"},
        {text_among_numbers, "fit " + data, "sales.csv:3"},
        {"", "fit " + data, "sales.csv"},
        {header, "fit " + data, "there are no rows below the header"},
        {sales(), "fit --data sales.csv --target prise", "prise"},
        {missing_price, "fit " + data, "sales.csv:2"},
        {sales(3), "fit " + data, "sales.csv"},
        {sales(), "fit --data none.csv --target price", "none.csv"},
        {sales(), "fit --dta sales.csv", "unknown option --dta; did you mean --data?"},
        {sales(), "fit --data sales.csv --target price --lr fast", "fast"},
        {sales(), "fit --data sales.csv --target price --test-fraction 2", "fraction"},
        {sales(), "fit --data sales.csv --target price --drop areas", "areas"},
        {sales(), "predict --ckpt none.ckpt --data sales.csv", "there is no checkpoint none.ckpt"},
        {sales(), "predict --ckpt sales.csv --data sales.csv", "sales.csv"},
        {sales(), "fti", "did you mean fit?"},
    };
    for (const Case& c : cases) {
      Folder folder;
      write(folder, "sales.csv", c.csv);
      const Finished run = house_prices(folder, c.arguments);
      CAPTURE(c.arguments);
      CAPTURE(run.error);
      CHECK(run.status == 2);
      CHECK(run.output.empty());
      CHECK(run.error.find(c.says) != std::string::npos);
      CHECK(std::count(run.error.begin(), run.error.end(), '\n') == 1);
      CHECK(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator()) == 1);
    }
  }

  TEST_CASE("house prices: predicting with missing columns names them") {
    if (!has_house_prices()) return;
    Folder folder;
    write(folder, "sales.csv", sales());
    REQUIRE(house_prices(folder, "fit " + data + " --max-epochs 1").status == 0);
    write(folder, "new.csv", "kind,age\nhouse,10\n");
    const Finished run = house_prices(folder, "predict --ckpt house_prices_run/best.ckpt --data new.csv");
    CHECK(run.status == 2);
    CHECK(run.output.empty());
    CHECK_MESSAGE(run.error.find("area") != std::string::npos, run.error);
    CHECK_MESSAGE(run.error.find("new.csv") != std::string::npos, run.error);
  }
}
