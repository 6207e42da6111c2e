#include <fulmen/data/order.h>
#include <fulmen/data/split.h>
#include <fulmen/tensor/generator.h>

namespace fulmen::data {

std::vector<std::vector<int64_t>> split_rows(int64_t rows, const std::vector<double>& fractions, uint64_t seed,
                                             const std::string& source) {
  GeneratorImpl stream(seed);
  const std::vector<int64_t> order = random_permutation(rows, stream);
  std::vector<size_t> sizes;
  size_t rest = order.size();
  bool none_empty = true;
  for (double fraction : fractions) {
    FULMEN_CHECK(fraction > 0 && fraction < 1, "split: a fraction must be between 0 and 1; got ", fraction);
    sizes.push_back(static_cast<size_t>(fraction * static_cast<double>(order.size())));
    none_empty = none_empty && sizes.back() > 0 && sizes.back() < rest;
    rest -= std::min(rest, sizes.back());
  }
  if (!none_empty) {
    fail_data(source, str(rows, " rows are too few to be split into ", fractions.size() + 1, " parts"),
              "use a file with more rows, or other fractions");
  }
  sizes.push_back(rest);
  std::vector<std::vector<int64_t>> parts;
  auto at = order.begin();
  for (size_t size : sizes) {
    parts.emplace_back(at, at + static_cast<std::ptrdiff_t>(size));
    at += static_cast<std::ptrdiff_t>(size);
  }
  return parts;
}

std::vector<CsvTable> split(const CsvTable& table, const std::vector<double>& fractions, uint64_t seed) {
  std::vector<CsvTable> parts;
  for (const auto& rows : split_rows(table.rows(), fractions, seed, table.source())) parts.push_back(table.take(rows));
  return parts;
}

}  // namespace fulmen::data
