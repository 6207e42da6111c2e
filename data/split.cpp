#include <fulmen/data/order.h>
#include <fulmen/data/split.h>
#include <fulmen/tensor/generator.h>

namespace fulmen::data {

std::vector<CsvTable> split(const CsvTable& table, const std::vector<double>& fractions, uint64_t seed) {
  GeneratorImpl stream(seed);
  const std::vector<int64_t> order = random_permutation(table.rows(), stream);
  const std::span<const int64_t> rows(order);
  std::vector<size_t> sizes;
  size_t rest = rows.size();
  bool none_empty = true;
  for (double fraction : fractions) {
    FULMEN_CHECK(fraction > 0 && fraction < 1, "split: a fraction must be between 0 and 1; got ", fraction);
    sizes.push_back(static_cast<size_t>(fraction * static_cast<double>(rows.size())));
    none_empty = none_empty && sizes.back() > 0 && sizes.back() < rest;
    rest -= std::min(rest, sizes.back());
  }
  if (!none_empty) {
    fail_data(table.source(), str(table.rows(), " rows are too few to be split into ", fractions.size() + 1, " parts"),
              "use a file with more rows, or other fractions");
  }
  std::vector<CsvTable> parts;
  size_t at = 0;
  for (size_t size : sizes) {
    parts.push_back(table.take(rows.subspan(at, size)));
    at += size;
  }
  parts.push_back(table.take(rows.subspan(at)));
  return parts;
}

}  // namespace fulmen::data
