#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/gather.h>
#include <fulmen/autograd/ops/join.h>
#include <fulmen/autograd/ops/sort.h>
#include <fulmen/autograd/ops/views.h>
#include <fulmen/nn/utils/rnn.h>

#include <algorithm>

namespace fulmen::nn::utils::rnn {

namespace {

std::vector<int64_t> numbers_of(const Tensor& t) {
  const Tensor flat = t.to(kCPU).to(kLong).contiguous();
  return {flat.data_ptr<int64_t>(), flat.data_ptr<int64_t>() + flat.numel()};
}
Tensor index_tensor(const std::vector<int64_t>& values) {
  Tensor t = empty({static_cast<int64_t>(values.size())}, kLong);
  std::copy(values.begin(), values.end(), t.data_ptr<int64_t>());
  return t;
}
Tensor inverse_of(const Tensor& permutation) {
  const std::vector<int64_t> from = numbers_of(permutation);
  std::vector<int64_t> to(from.size());
  for (size_t i = 0; i < from.size(); ++i) to[static_cast<size_t>(from[i])] = static_cast<int64_t>(i);
  return index_tensor(to).to(permutation.device());
}

}  // namespace

PackedSequence::PackedSequence(Tensor data, Tensor batch_sizes, Tensor sorted_indices, Tensor unsorted_indices)
    : data_(std::move(data)),
      batch_sizes_(std::move(batch_sizes)),
      sorted_indices_(std::move(sorted_indices)),
      unsorted_indices_(std::move(unsorted_indices)) {
  if (!unsorted_indices_.defined() && sorted_indices_.defined()) unsorted_indices_ = inverse_of(sorted_indices_);
  FULMEN_CHECK(batch_sizes_.is_cpu(),
               "batch_sizes should always be on CPU. Instances of PackedSequence should never be "
               "created manually. They should be instantiated by functions like pack_sequence and "
               "pack_padded_sequences in nn::utils::rnn. Got ",
               batch_sizes_);
}

PackedSequence PackedSequence::pin_memory() const {
  auto pinned = [](const Tensor& t) { return t.defined() ? t.pin_memory() : t; };
  return PackedSequence(data_.pin_memory(), batch_sizes_, pinned(sorted_indices_), pinned(unsorted_indices_));
}

PackedSequence PackedSequence::to(TensorOptions options) const {
  const Tensor data = data_.to(options);
  if (data.is_same(data_)) return *this;
  auto moved = [&](const Tensor& t) { return t.defined() ? t.to(data.device()) : t; };
  return PackedSequence(data, batch_sizes_, moved(sorted_indices_), moved(unsorted_indices_));
}

PackedSequence pack_padded_sequence(Tensor input, Tensor lengths, bool batch_first, bool enforce_sorted) {
  FULMEN_CHECK(lengths.is_cpu() && lengths.scalar_type() == kLong && lengths.dim() == 1,
               "pack_padded_sequence: 'lengths' argument should be a 1D CPU int64 tensor, but got ", lengths);
  FULMEN_CHECK(input.dim() >= 2, "pack_padded_sequence: input must be [T, N, ...], got ", input);
  Tensor sorted;
  if (!enforce_sorted) {
    std::tie(lengths, sorted) = sort(lengths, 0, true);
    sorted = sorted.to(input.device());
    input = input.index_select(batch_first ? 0 : 1, sorted);
  }
  const Tensor steps = batch_first ? input.transpose(0, 1) : input;
  const std::vector<int64_t> length = numbers_of(lengths);
  FULMEN_CHECK(!length.empty() && static_cast<int64_t>(length.size()) == steps.size(1),
               "pack_padded_sequence: Expected `len(lengths)` to be equal to batch_size, but got ", length.size(),
               " (batch_size=", steps.size(1), ")");
  for (size_t i = 0; i < length.size(); ++i) {
    FULMEN_CHECK(length[i] > 0,
                 "pack_padded_sequence: Length of all samples has to be greater than 0, but found an element in "
                 "'lengths' that is <= 0");
    FULMEN_CHECK(i == 0 || length[i] <= length[i - 1],
                 "pack_padded_sequence: `lengths` array must be sorted in decreasing order when `enforce_sorted` is "
                 "True. You can pass `enforce_sorted=False` to sort them");
  }
  FULMEN_CHECK(length[0] <= steps.size(0), "pack_padded_sequence: Expected sequence length to be at most ",
               steps.size(0), ", but got ", length[0]);
  std::vector<int64_t> sizes;
  std::vector<Tensor> pieces;
  for (int64_t t = 0, alive = steps.size(1); t < length[0]; ++t) {
    while (length[static_cast<size_t>(alive - 1)] <= t) --alive;
    sizes.push_back(alive);
    pieces.push_back(steps.select(0, t).narrow(0, 0, alive));
  }
  return PackedSequence(cat(pieces), index_tensor(sizes), sorted);
}

std::tuple<Tensor, Tensor> pad_packed_sequence(const PackedSequence& sequence, bool batch_first, double padding_value,
                                               std::optional<int64_t> total_length) {
  const std::vector<int64_t> sizes = numbers_of(sequence.batch_sizes());
  const auto steps = static_cast<int64_t>(sizes.size());
  FULMEN_CHECK(steps > 0, "pad_packed_sequence: the sequence has no steps");
  FULMEN_CHECK(!total_length || *total_length >= steps,
               "Expected total_length to be at least the length of the longest sequence in input, but got "
               "total_length=",
               total_length.value_or(0), " and max sequence length being ", steps);
  const Tensor& data = sequence.data();
  std::vector<int64_t> length(static_cast<size_t>(sizes[0]));
  std::vector<Tensor> rows;
  auto padding = [&](std::vector<int64_t> leading) {
    for (int64_t d = 1; d < data.dim(); ++d) leading.push_back(data.size(d));
    return full(leading, padding_value, data.options());
  };
  for (int64_t t = 0, first = 0; t < steps; ++t) {
    const int64_t size = sizes[static_cast<size_t>(t)];
    for (int64_t r = 0; r < size; ++r) ++length[static_cast<size_t>(r)];
    const Tensor step = data.narrow(0, first, size);
    rows.push_back(size == sizes[0] ? step : cat({step, padding({sizes[0] - size})}));
    first += size;
  }
  Tensor padded = stack(rows);
  if (total_length && *total_length > steps) padded = cat({padded, padding({*total_length - steps, sizes[0]})});
  if (batch_first) padded = padded.transpose(0, 1);
  Tensor lengths = index_tensor(length);
  if (sequence.unsorted_indices().defined()) {
    padded = padded.index_select(batch_first ? 0 : 1, sequence.unsorted_indices());
    lengths = lengths.index_select(0, sequence.unsorted_indices().to(kCPU));
  }
  return {padded, lengths};
}

Tensor pad_sequence(TensorList sequences, bool batch_first, double padding_value) {
  FULMEN_CHECK(sequences.size() > 0, "pad_sequence: received an empty list of sequences");
  int64_t longest = 0;
  for (const Tensor& s : sequences) longest = std::max(longest, s.size(0));
  std::vector<Tensor> padded;
  for (const Tensor& s : sequences) {
    std::vector<int64_t> missing = s.sizes().vec();
    missing[0] = longest - s.size(0);
    padded.push_back(missing[0] == 0 ? s : cat({s, full(missing, padding_value, s.options())}));
  }
  return stack(padded, batch_first ? 0 : 1);
}

PackedSequence pack_sequence(TensorList sequences, bool enforce_sorted) {
  std::vector<int64_t> lengths;
  for (const Tensor& s : sequences) lengths.push_back(s.size(0));
  return pack_padded_sequence(pad_sequence(sequences), index_tensor(lengths), false, enforce_sorted);
}

}  // namespace fulmen::nn::utils::rnn
