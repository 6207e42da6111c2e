#pragma once
#include <cstdint>

namespace fulmen {

enum class CellKind : int8_t { lstm, gru, rnn_tanh, rnn_relu };

/// The order in which a layer goes through its sequences. Step t has sizes[t] rows, of which row r belongs to sequence
/// r; sizes do not grow. Rows of all steps lie one after the other, beginning with step 0.
struct RecurrentSteps {
  CellKind cell;
  bool reverse;          ///< from the last step to the first
  int64_t count;         ///< of steps
  const int64_t* sizes;  ///< on the host
};

}  // namespace fulmen
