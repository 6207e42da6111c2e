#include <doctest/doctest.h>
#include <fulmen/data/csv.h>
#include <tests/paths.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>
#include <random>

using namespace fulmen;
using namespace fulmen::data;

namespace {

/// The whole message of the error that reading `text` gives; empty if there is none.
std::string message(std::string_view text, const CsvOptions& options = {}) {
  try {
    parse_csv(text, options, "t.csv");
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

bool has(const std::string& text, std::string_view part) {
  if (text.find(part) != std::string::npos) return true;
  MESSAGE("'", part, "' is not in: ", text);
  return false;
}

std::vector<std::string> texts(const CsvTable& t, std::string_view column) {
  std::vector<std::string> out;
  for (int64_t row = 0; row < t.rows(); ++row) out.push_back(t.text(column, row));
  return out;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_SUITE("data") {
  TEST_CASE("csv: numbers and texts in typed columns") {
    CsvTable t = parse_csv("price,street,rooms\n1.5,Pave,3\n-2e3,Grvl,+4\n .25 ,Pave,1e-2\n");
    CHECK(t.rows() == 3);
    CHECK(t.columns() == 3);
    CHECK(t.names() == Texts{"price", "street", "rooms"});
    CHECK(t.numbers("price")[0] == 1.5);
    CHECK(t.numbers("price")[1] == -2000);
    CHECK(t.numbers("price")[2] == 0.25);
    CHECK(t.numbers("rooms")[1] == 4);
    CHECK(t.numbers("rooms")[2] == 0.01);
    CHECK(t.column("street").is_text);
    CHECK(t.column("street").categories == Texts{"Pave", "Grvl"});
    CHECK(t.column("street").codes == std::vector<int32_t>{0, 1, 0});
    CHECK(t.line(2) == 4);
  }

  TEST_CASE("csv: RFC 4180 quoting") {
    CsvTable t = parse_csv("a,b\r\n\"x,y\",\"he said \"\"no\"\"\"\r\n\"two\r\nlines\",\"\"\"\"\"\"\r\n\"\",z\"z\r\n");
    CHECK(texts(t, "a") == Texts{"x,y", "two\r\nlines", ""});
    CHECK(texts(t, "b") == Texts{"he said \"no\"", "\"\"", "z\"z"});
    CHECK(t.line(1) == 3);
    CHECK(t.line(2) == 5);
  }

  TEST_CASE("csv: many escaped fields in one record stay apart") {
    std::string text = "a,b,c,d,e,f\n", row;
    for (int i = 0; i < 6; ++i) row += (i ? "," : "") + std::string("\"q\"\"") + std::to_string(i) + "\"";
    CsvTable t = parse_csv(text + row + "\n");
    for (int i = 0; i < 6; ++i)
      CHECK(t.text(std::string(1, static_cast<char>('a' + i)), 0) == "q\"" + std::to_string(i));
  }

  TEST_CASE("csv: line ends, byte order mark, empty lines, no newline at the end") {
    for (const char* text : {"\xef\xbb\xbf"
                             "a,b\n1,2\n3,4",
                             "a,b\r1,2\r3,4\r", "a,b\r\n\r\n1,2\r\n\r\n3,4\r\n\r\n", "\n\na,b\n1,2\n3,4\n"}) {
      CsvTable t = parse_csv(text);
      CHECK(t.names() == Texts{"a", "b"});
      CHECK(t.rows() == 2);
      CHECK(t.numbers("b")[1] == 4);
    }
  }

  TEST_CASE("csv: header, delimiter, names") {
    CsvOptions plain;
    plain.header = false;
    CHECK(parse_csv("1,x\n2,y\n", plain).names() == Texts{"column_1", "column_2"});
    CHECK(parse_csv("1,x\n2,y\n", plain).rows() == 2);
    CHECK(parse_csv(",b\n1,2\n").names() == Texts{"column_1", "b"});
    CsvOptions semicolons;
    semicolons.delimiter = ';';
    CHECK(parse_csv("a;b\n1;\"x;y\"\n", semicolons).text("b", 0) == "x;y");
  }

  TEST_CASE("csv: missing values") {
    CsvTable t = parse_csv("a,b\n1,x\n,\nNA,NA\nnan,y\n");
    CHECK(std::isnan(t.numbers("a")[1]));
    CHECK(std::isnan(t.numbers("a")[2]));
    CHECK(std::isnan(t.numbers("a")[3]));
    CHECK(t.column("b").codes == std::vector<int32_t>{0, -1, -1, 1});
    CsvOptions options;
    options.missing = {"?", "-999"};
    CsvTable u = parse_csv("a,b\n1,?\n-999,NA\n?,x\n", options);
    CHECK(std::isnan(u.numbers("a")[1]));
    CHECK(std::isnan(u.numbers("a")[2]));
    CHECK(texts(u, "b") == Texts{"", "NA", "x"});
    CHECK(std::isnan(parse_csv("a,b\n,1\n,2\n").numbers("a")[0]));
  }

  TEST_CASE("csv: numbers are rounded correctly") {
    auto value = [](std::string_view text) {
      bool ok = false;
      double v = parse_number(text, ok);
      return ok ? v : std::numeric_limits<double>::quiet_NaN();
    };
    CHECK(value("0.1") == 0.1);
    CHECK(value("123456789012345") == 123456789012345.0);
    CHECK(value("1234567.89012345") == 1234567.89012345);
    CHECK(value("-122.23") == -122.23);
    CHECK(value("1.7976931348623157e308") == 1.7976931348623157e308);
    CHECK(value("5e-324") == 5e-324);
    CHECK(value("1e-400") == 0);
    CHECK(value("0." + std::string(400, '0') + "1") == 0);
    CHECK(value("4503599627370497.5") == 4503599627370497.5);
    CHECK(std::signbit(value("-0")));
    for (const char* bad :
         {"", " ", "-", "+", ".", "1,5", "1.2.3", "0x10", "1e", "inf", "-inf", "1e400", "+-1", "1 2", "--1", "12a"}) {
      CAPTURE(bad);
      CHECK(std::isnan(value(bad)));
    }
    CHECK(std::isnan(value("1" + std::string(400, '0'))));
    std::mt19937_64 random(1);
    for (int i = 0; i < 20000; ++i) {
      char text[64];
      std::snprintf(text, sizeof text, "%.*f", static_cast<int>(random() % 8),
                    (static_cast<double>(random() % 2000000000) - 1e9) / 997);
      CHECK(value(text) == std::strtod(text, nullptr));
    }
  }

  TEST_CASE("csv: a column is text when it is not mostly numbers") {
    // Numbers first, texts later: read again, nothing lost.
    CsvTable t = parse_csv("ticket,n\n113803,1\n17463,2\nA/5,3\nPC 17,4\nSTON,5\n\"C\",6\nW,7\n");
    CHECK(t.column("ticket").is_text);
    CHECK(texts(t, "ticket") == Texts{"113803", "17463", "A/5", "PC 17", "STON", "C", "W"});
    CsvOptions as_text;
    as_text.text_columns = {"code", "absent"};
    CHECK(texts(parse_csv("code\n05\n7\n", as_text), "code") == Texts{"05", "7"});
  }

  TEST_CASE("csv: errors say file, line, column and what to do") {
    std::string m = message("a,b\n1,2\n3,4\n5,x\n");
    CHECK(has(m, "E017: t.csv:4, column 'b': 'x' is not a number; 2 other values of the column are numbers"));
    CHECK(has(m,
              "correct the cell, leave it empty if the value is missing, drop the column, or list it in text_columns"));
    m = message("a,b\n1,2\n3,4,5\n");
    CHECK(has(m, "t.csv:3: 3 fields where the header (line 1) has 2"));
    CHECK(has(m, "quote fields that contain the delimiter"));
    CHECK(has(message("a;b\n1;2\n3,4;5\n"), "t.csv:3: 2 fields where the header (line 1) has 1"));
    CHECK(has(message("a;b\n1,2\n"), "separated by ';': set CsvOptions::delimiter"));
    m = message("a,b\n1,\"x\ny,2\n");
    CHECK(has(m, "t.csv:2: the quote that opens a field here is never closed"));
    CHECK(has(message("a,b\n\"1\"2,3\n"), "t.csv:2: '2' follows the quote that closes a field"));
    CHECK(has(message(""), "t.csv: the file is empty"));
    CHECK(has(message("\xef\xbb\xbf\n\n"), "t.csv: the file is empty"));
    CHECK(has(message("a,b\n\n"), "t.csv: there are no rows below the header (line 1)"));
    CHECK(has(message("x,y,x\n1,2,3\n"), "t.csv:1: the name 'x' is given to columns 1 and 3"));
    CHECK(has(message(std::string_view("a,b\n1,\0\n", 8)), "t.csv:2: byte 6 is NUL"));
    CHECK(has(message("a,b\n1,2\n3,caf\xe9\n"), "t.csv:3: byte 13 is not UTF-8"));
    CHECK(has(message("\xff\xfe"
                      "a"),
              "UTF-16"));
    CHECK(has(message("a\n\xed\xa0\x80\n"), "not UTF-8"));
    CHECK(has(message("a\n\xc0\xaf\n"), "not UTF-8"));
    CHECK(message("a\n\xf0\x9f\x8f\xa0 caf\xc3\xa9\n") == "");
    CsvOptions numbers;
    numbers.number_columns = {"a"};
    m = message("a,b\nx,1\n", numbers);
    CHECK(has(m, "t.csv:2, column 'a': 'x' is not a number; this column holds numbers"));
    CHECK(has(message("a\n1\n2\n3\n4\ninf\n"), "t.csv:6, column 'a': 'inf' is not a number"));
  }

  TEST_CASE("csv: limits") {
    CsvOptions options;
    options.max_columns = 3;
    CHECK(has(message("a,b,c,d\n", options), "t.csv:1: more than 3 fields"));
    options.max_field_bytes = 4;
    CHECK(has(message("a\nabcde\n", options), "field 1 has 5 bytes; the limit is 4"));
    options.max_bytes = 2;
    CHECK(has(message("a\n1\n", options), "more than 2 bytes"));
    options.delimiter = '"';
    CHECK(has(message("a\n", options), "delimiter"));
  }

  TEST_CASE("csv: files") {
    CHECK_THROWS_WITH_AS(read_csv("no/such/file.csv"),
                         doctest::Contains("no/such/file.csv: cannot open the file: No such file"), Error);
    CHECK_THROWS_AS(read_csv(fulmen::testing::source_dir()), Error);
    std::string path = "csv_test_" + std::to_string(std::random_device()()) + ".csv";
    std::ofstream(path) << "a,b\n1,x\n";
    CHECK(read_csv(path).text("b", 0) == "x");
    std::remove(path.c_str());
  }

  TEST_CASE("csv: the table") {
    CsvTable t = parse_csv("a,b,c\n1,x,3\n4,y,6\n7,x,9\n", {}, "t.csv");
    CHECK(t.select({"c", "a"}).names() == Texts{"c", "a"});
    CHECK(t.drop({"b"}).names() == Texts{"a", "c"});
    const int64_t rows[] = {2, 0, 2};
    CsvTable u = t.take(rows);
    CHECK(u.rows() == 3);
    CHECK(u.numbers("a")[0] == 7);
    CHECK(u.text("b", 1) == "x");
    CHECK(u.line(0) == 4);
    CHECK(u.place(1, "a") == "t.csv:2, column 'a'");
    CHECK(t.text("a", 1) == "4");
    Tensor x = t.drop({"b"}).tensor();
    CHECK(x.sizes() == IntArrayRef({3, 2}));
    CHECK(x.scalar_type() == kFloat);
    CHECK(x.data_ptr<float>()[3] == 6);
    CHECK(t.tensor("c", kDouble).data_ptr<double>()[2] == 9);
    CHECK_THROWS_WITH_AS(t.column("aa"), doctest::Contains("there is no column 'aa'; the columns are a, b, c"), Error);
    CHECK_THROWS_WITH_AS(t.drop({"z"}), doctest::Contains("there is no column 'z'"), Error);
    CHECK_THROWS_WITH_AS(t.numbers("b"), doctest::Contains("t.csv:2, column 'b': 'x' is not a number"), Error);
    CHECK_THROWS_WITH_AS(parse_csv("Price\n1\n").column("price"), doctest::Contains("did you mean 'Price'?"), Error);
    CHECK_THROWS_WITH_AS(parse_csv("p,q\n1,2\n,3\n", {}, "t.csv").tensor("p"),
                         doctest::Contains("t.csv:3, column 'p': the value is missing"), Error);
    const int64_t bad[] = {3};
    CHECK_THROWS_AS(t.take(bad), IndexError);
  }

  TEST_CASE("csv: a million rows") {
    std::string text = "a,b,c,d,e,f,g,h,i,j\n";
    constexpr int rows = 1000000;
    text.reserve(rows * 80);
    double sum = 0;
    uint64_t state = 1;
    for (int r = 0; r < rows; ++r) {
      for (int c = 0; c < 10; ++c) {
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        const auto v = static_cast<int>(state >> 44);
        text += std::to_string(v / 100) + '.' + std::to_string(10 + v % 90) + (c == 9 ? '\n' : ',');
        if (c == 3) sum += v / 100 + (10 + v % 90) / 100.0;
      }
    }
    CsvTable t = parse_csv(text);
    CHECK(t.rows() == rows);
    double read = 0;
    for (double v : t.numbers("d")) read += v;
    CHECK(read == doctest::Approx(sum));
  }

  TEST_CASE("csv: damaged files give an error or a table, never anything else") {
    const std::string valid =
        "id,name,\"price, in $\",note\r\n1,\"Smith, J\",12.5,\"a \"\"quoted\"\" "
        "word\"\r\n2,,NA,\"two\nlines\"\r\n3,M\xc3\xbcller,-1e3,x\r\n";
    std::mt19937 random(7);
    const std::string pieces[] = {"\"",   ",",  "\n",    "\r",   std::string(1, '\0'), "\xff",
                                  "\"\"", "NA", "1e999", ",,,,", "\xe2\x82",           "x"};
    int errors = 0;
    for (int i = 0; i < 20000; ++i) {
      std::string text = valid;
      for (unsigned change = 0; change < 1 + random() % 4; ++change) {
        const size_t at = random() % (text.size() + 1);
        switch (random() % 4) {
          case 0:
            text.erase(at, random() % 5);
            break;
          case 1:
            text.insert(at, pieces[random() % std::size(pieces)]);
            break;
          case 2:
            text.resize(at);
            break;
          default:
            if (at < text.size()) text[at] = static_cast<char>(random());
        }
        if (text.empty()) break;
      }
      try {
        CsvTable t = parse_csv(text);
        for (const std::string& name : t.names()) {
          for (int64_t row = 0; row < t.rows(); ++row) (void)t.text(name, row);
        }
      } catch (const Error&) {
        ++errors;
      }
    }
    CHECK(errors > 1000);
  }

  TEST_CASE("csv: California housing") {
    if (fulmen::testing::shared_dir().empty()) return;
    CsvTable t = read_csv(fulmen::testing::shared_dir() + "/data/housing/california_housing.csv");
    CHECK(t.rows() == 20640);
    CHECK(t.column("ocean_proximity").categories.size() == 5);
    int64_t missing = 0;
    for (double v : t.numbers("total_bedrooms")) missing += std::isnan(v);
    CHECK(missing == 207);
  }
}
