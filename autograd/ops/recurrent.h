#pragma once
#include <fulmen/autograd/op.h>
#include <fulmen/kernels/recurrent_steps.h>

namespace fulmen {

/// One direction of one recurrent layer over sequences of several lengths.
struct RecurrentLayer {
  CellKind cell = CellKind::lstm;
  bool reverse = false;
  /// Sequences that reach step 0, 1, ...; not growing.
  std::vector<int64_t> sizes;
};

/// The states h and (LSTM) c after every step, [rows, H] each, rows of all steps one after the other:
///   x   [rows, G H]: what the input gives to the G gates (LSTM: i f g o; GRU: r z n; RNN: 1)
///   h0  [sizes[0], H], c0 the same for LSTM, else undefined
///   w   [G H, H], the hidden side; b [G H] likewise, for the GRU or undefined
///   projection [P, H], of an LSTM, or undefined: h becomes projection h; then h0 has P features, and w as well
/// Derivatives of any order; those of first order in one pass.
std::tuple<Tensor, Tensor> recurrent_layer(const RecurrentLayer& layer, const Tensor& x, const Tensor& h0,
                                           const Tensor& c0, const Tensor& w, const Tensor& b = {},
                                           const Tensor& projection = {});

}  // namespace fulmen
