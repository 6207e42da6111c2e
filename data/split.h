#pragma once
#include <fulmen/data/csv.h>

namespace fulmen::data {

/// A table cut into random parts: one per fraction, of floor(fraction * rows) rows, and the rest as the last. The order
/// is PyTorch's `randperm(rows)` after `manual_seed(seed)`, and the default random stream is left alone. Throws if a
/// part would be empty.
std::vector<CsvTable> split(const CsvTable& table, const std::vector<double>& fractions, uint64_t seed);

/// The rows of each part; `source` names what is split, for the message.
std::vector<std::vector<int64_t>> split_rows(int64_t rows, const std::vector<double>& fractions, uint64_t seed,
                                             const std::string& source);

}  // namespace fulmen::data
