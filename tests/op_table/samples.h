#pragma once
#include <random>

#include "tests/op_table/op_table.h"

namespace op_table {

/// Draws inputs for a row; the same row draws the same numbers on every machine.
class Samples {
 public:
  Samples(const Row& row, const Device& device) : row_(row), device_(device), random_(seed_of(row.name)) {}
  /// One tensor per input. Real inputs have `dtype`, the others the one that the row says.
  std::vector<Tensor> draw(const std::vector<std::vector<int64_t>>& shapes, ScalarType dtype);
  /// Standard normal values, float64.
  Tensor direction(const Tensor& like);

 private:
  static uint64_t seed_of(const std::string& name);
  double real(double low, double high);
  Tensor one(size_t i, const std::vector<int64_t>& shape, ScalarType dtype);
  const Row& row_;
  Device device_;
  std::mt19937_64 random_;
};

Tensor to_tensor(const Array& a, ScalarType dtype, const Device& device);
Array to_array(const Tensor& t);

/// The same values under another memory layout.
Tensor transposed(const Tensor& t);
Tensor sliced(const Tensor& t);
/// The first index of the first dimension repeated without memory (other values than t's).
Tensor expanded(const Tensor& t);

}  // namespace op_table
