#include <fulmen/data/order.h>
#include <fulmen/data/samplers.h>
#include <fulmen/tensor/error.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace fulmen::data::samplers {

namespace {

void check_state(bool holds, const char* sampler) {
  FULMEN_CHECK(holds, sampler, ": this is not the state of such a sampler");
}

/// The next at most `count` entries of `order`, from `index` on.
template <class T>
std::optional<std::vector<size_t>> next_of(const std::vector<T>& order, size_t& index, size_t count) {
  if (index >= order.size()) return std::nullopt;
  const auto first = order.begin() + static_cast<std::ptrdiff_t>(index);
  count = std::min(count, order.size() - index);
  index += count;
  return std::vector<size_t>(first, first + static_cast<std::ptrdiff_t>(count));
}

}  // namespace

void SequentialSampler::reset(std::optional<size_t> new_size) {
  size_ = new_size.value_or(size_);
  index_ = 0;
}
std::optional<std::vector<size_t>> SequentialSampler::next(size_t batch_size) {
  if (index_ >= size_) return std::nullopt;
  std::vector<size_t> indices(std::min(batch_size, size_ - index_));
  std::iota(indices.begin(), indices.end(), index_);
  index_ += indices.size();
  return indices;
}
std::vector<int64_t> SequentialSampler::state() const {
  return {static_cast<int64_t>(size_), static_cast<int64_t>(index_)};
}
void SequentialSampler::load_state(const std::vector<int64_t>& state) {
  check_state(state.size() == 2 && state[1] >= 0 && state[1] <= state[0], "SequentialSampler");
  size_ = static_cast<size_t>(state[0]);
  index_ = static_cast<size_t>(state[1]);
}

RandomSampler::RandomSampler(int64_t size) : order_(random_permutation(size, *default_generator())) {}
void RandomSampler::reset(std::optional<size_t> new_size) {
  order_ = random_permutation(static_cast<int64_t>(new_size.value_or(order_.size())), *default_generator());
  index_ = 0;
}
std::optional<std::vector<size_t>> RandomSampler::next(size_t batch_size) {
  return next_of(order_, index_, batch_size);
}
std::vector<int64_t> RandomSampler::state() const {
  std::vector<int64_t> words = {static_cast<int64_t>(index_)};
  words.insert(words.end(), order_.begin(), order_.end());
  return words;
}
void RandomSampler::load_state(const std::vector<int64_t>& state) {
  const auto size = static_cast<int64_t>(state.size()) - 1;
  bool fits = size >= 0 && state[0] >= 0 && state[0] <= size;
  for (int64_t i = 1; fits && i <= size; ++i) {
    fits = state[static_cast<size_t>(i)] >= 0 && state[static_cast<size_t>(i)] < size;
  }
  check_state(fits, "RandomSampler");
  index_ = static_cast<size_t>(state[0]);
  order_.assign(state.begin() + 1, state.end());
}

void StreamSampler::reset(std::optional<size_t> new_size) {
  epoch_size_ = new_size.value_or(epoch_size_);
  given_ = 0;
}
std::optional<BatchSize> StreamSampler::next(size_t batch_size) {
  if (given_ >= epoch_size_) return std::nullopt;
  const size_t count = std::min(batch_size, epoch_size_ - given_);
  given_ += count;
  return BatchSize(count);
}
std::vector<int64_t> StreamSampler::state() const {
  return {static_cast<int64_t>(epoch_size_), static_cast<int64_t>(given_)};
}
void StreamSampler::load_state(const std::vector<int64_t>& state) {
  check_state(state.size() == 2 && state[1] >= 0 && state[1] <= state[0], "StreamSampler");
  epoch_size_ = static_cast<size_t>(state[0]);
  given_ = static_cast<size_t>(state[1]);
}

DistributedSampler::DistributedSampler(size_t size, size_t num_replicas, size_t rank, bool allow_duplicates)
    : size_(size), num_replicas_(num_replicas), rank_(rank), allow_duplicates_(allow_duplicates) {
  FULMEN_CHECK(num_replicas > 0 && rank < num_replicas, "DistributedSampler: rank ", rank, " of ", num_replicas,
               " replicas; ranks begin at 0");
}
size_t DistributedSampler::local_sample_count() const {
  return allow_duplicates_ ? (size_ + num_replicas_ - 1) / num_replicas_ : size_ / num_replicas_;
}
void DistributedSampler::reset(std::optional<size_t> new_size) {
  size_ = new_size.value_or(size_);
  draw();
  index_ = 0;
}
std::optional<std::vector<size_t>> DistributedSampler::next(size_t batch_size) {
  return next_of(share_, index_, batch_size);
}
std::vector<int64_t> DistributedSampler::state() const {
  std::vector<int64_t> words = {static_cast<int64_t>(epoch_), static_cast<int64_t>(index_)};
  words.insert(words.end(), share_.begin(), share_.end());
  return words;
}
void DistributedSampler::load_state(const std::vector<int64_t>& state) {
  bool fits = state.size() >= 2 && state[0] >= 0 && state[1] >= 0 && static_cast<size_t>(state[1]) + 2 <= state.size();
  for (size_t i = 2; fits && i < state.size(); ++i) fits = state[i] >= 0 && static_cast<size_t>(state[i]) < size_;
  check_state(fits, "DistributedSampler");
  epoch_ = static_cast<size_t>(state[0]);
  index_ = static_cast<size_t>(state[1]);
  share_.assign(state.begin() + 2, state.end());
}

DistributedRandomSampler::DistributedRandomSampler(size_t size, size_t num_replicas, size_t rank, bool allow_duplicates)
    : DistributedSampler(size, num_replicas, rank, allow_duplicates) {
  DistributedRandomSampler::draw();
}
// LibTorch's order: one shuffle of everything, seeded by the epoch and the same on all processes, then a run per rank.
void DistributedRandomSampler::draw() {
  const size_t local = local_sample_count();
  std::vector<size_t> all(local * num_replicas_);
  for (size_t i = 0; i < all.size(); ++i) all[i] = i % size_;
  std::mt19937 stream(static_cast<uint32_t>(epoch_));
  std::shuffle(all.begin(), all.end(), stream);
  const auto first = all.begin() + static_cast<std::ptrdiff_t>(rank_ * local);
  share_.assign(first, first + static_cast<std::ptrdiff_t>(local));
}

DistributedSequentialSampler::DistributedSequentialSampler(size_t size, size_t num_replicas, size_t rank,
                                                           bool allow_duplicates)
    : DistributedSampler(size, num_replicas, rank, allow_duplicates) {
  DistributedSequentialSampler::draw();
}
void DistributedSequentialSampler::draw() {
  share_.resize(local_sample_count());
  for (size_t i = 0; i < share_.size(); ++i) share_[i] = (rank_ * share_.size() + i) % size_;
}

}  // namespace fulmen::data::samplers
