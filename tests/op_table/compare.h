#pragma once
#include "tests/op_table/op_table.h"

namespace op_table {

std::string text_of(double v);

/// Empty if the outputs are what the reference says, within the tolerance of their dtype and of `computed_in`.
std::string compare(const Row& row, const std::vector<Tensor>& got, const std::vector<Array>& expected,
                    ScalarType computed_in);

}  // namespace op_table
