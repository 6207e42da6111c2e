#pragma once
#include <fulmen/tensor/tensor.h>

#include <tuple>
#include <vector>

// Sequences of different lengths in one tensor.
namespace fulmen::nn::utils::rnn {

/// Sequences without padding: rows of all time steps one after the other, batch_sizes()[t] of them at step t. Longer
/// sequences come first; sorted_indices() says where they were, unsorted_indices() where they are now (undefined: they
/// came in that order).
class PackedSequence {
 public:
  PackedSequence() = default;
  explicit PackedSequence(Tensor data, Tensor batch_sizes, Tensor sorted_indices = {}, Tensor unsorted_indices = {});

  const Tensor& data() const { return data_; }                ///< [rows, *]
  const Tensor& batch_sizes() const { return batch_sizes_; }  ///< int64 [steps], on the CPU
  const Tensor& sorted_indices() const { return sorted_indices_; }
  const Tensor& unsorted_indices() const { return unsorted_indices_; }

  PackedSequence pin_memory() const;
  PackedSequence to(TensorOptions options) const;
  PackedSequence cuda() const { return to(kCUDA); }
  PackedSequence cpu() const { return to(kCPU); }
  bool is_cuda() const { return data_.is_cuda(); }
  bool is_pinned() const { return data_.is_pinned(); }

 private:
  Tensor data_, batch_sizes_, sorted_indices_, unsorted_indices_;
};

/// The first lengths[i] steps of sequence i of input [T, N, *] (batch_first: [N, T, *]). lengths is int64 [N] on the
/// CPU; with enforce_sorted it must not grow.
PackedSequence pack_padded_sequence(Tensor input, Tensor lengths, bool batch_first = false, bool enforce_sorted = true);
/// Back to [T, N, *] (or [N, T, *]) and lengths; T is the longest length, or total_length.
std::tuple<Tensor, Tensor> pad_packed_sequence(const PackedSequence& sequence, bool batch_first = false,
                                               double padding_value = 0.0,
                                               std::optional<int64_t> total_length = std::nullopt);
/// Sequences [L_i, *] as one tensor [longest, N, *] (or [N, longest, *]).
Tensor pad_sequence(TensorList sequences, bool batch_first = false, double padding_value = 0);
/// pack_padded_sequence of sequences that are not padded yet.
PackedSequence pack_sequence(TensorList sequences, bool enforce_sorted = true);

}  // namespace fulmen::nn::utils::rnn
