#pragma once
#include <fulmen/tensor/array_ref.h>

#include <optional>
#include <vector>

// LibTorch's samplers: which samples make the next batch.
namespace fulmen::data::samplers {

/// A request that is no list of indices.
struct CustomBatchRequest {
  virtual ~CustomBatchRequest() = default;
  virtual size_t size() const = 0;
};

template <class BatchRequest = std::vector<size_t>>
class Sampler {
 public:
  using BatchRequestType = BatchRequest;
  virtual ~Sampler() = default;
  /// Begins a new epoch, of `new_size` samples if given.
  virtual void reset(std::optional<size_t> new_size) = 0;
  /// At most batch_size samples; none at the end of the epoch.
  virtual std::optional<BatchRequest> next(size_t batch_size) = 0;
};

/// 0, 1, 2, ...
class SequentialSampler : public Sampler<> {
 public:
  explicit SequentialSampler(size_t size) : size_(size) {}
  void reset(std::optional<size_t> new_size = std::nullopt) override;
  std::optional<std::vector<size_t>> next(size_t batch_size) override;
  size_t index() const noexcept { return index_; }
  /// Size and position, for a checkpoint.
  std::vector<int64_t> state() const;
  void load_state(const std::vector<int64_t>& state);

 private:
  size_t size_, index_ = 0;
};

/// All samples in random order. As in LibTorch, the constructor draws a permutation from the default random stream, and
/// each reset() draws another.
class RandomSampler : public Sampler<> {
 public:
  explicit RandomSampler(int64_t size);
  void reset(std::optional<size_t> new_size = std::nullopt) override;
  std::optional<std::vector<size_t>> next(size_t batch_size) override;
  size_t index() const noexcept { return index_; }
  /// Position and permutation, for a checkpoint.
  std::vector<int64_t> state() const;
  void load_state(const std::vector<int64_t>& state);

 private:
  std::vector<int64_t> order_;
  size_t index_ = 0;
};

/// How many samples a stream shall give; converts to that number.
struct BatchSize : public CustomBatchRequest {
  explicit BatchSize(size_t size) : size_(size) {}
  size_t size() const noexcept override { return size_; }
  operator size_t() const noexcept { return size_; }
  size_t size_;
};

/// Requests for a stream, until an epoch's number of samples is reached.
class StreamSampler : public Sampler<BatchSize> {
 public:
  explicit StreamSampler(size_t epoch_size) : epoch_size_(epoch_size) {}
  void reset(std::optional<size_t> new_size = std::nullopt) override;
  std::optional<BatchSize> next(size_t batch_size) override;
  std::vector<int64_t> state() const;
  void load_state(const std::vector<int64_t>& state);

 private:
  size_t epoch_size_, given_ = 0;
};

/// A share of the samples for each of several processes. With allow_duplicates all shares are equally large, and some
/// samples appear twice; without, some are left out.
class DistributedSampler : public Sampler<> {
 public:
  DistributedSampler(size_t size, size_t num_replicas, size_t rank, bool allow_duplicates);
  /// Seeds the order of the next epoch; call it with the same number on all processes, before reset().
  void set_epoch(size_t epoch) { epoch_ = epoch; }
  size_t epoch() const { return epoch_; }
  void reset(std::optional<size_t> new_size = std::nullopt) override;
  std::optional<std::vector<size_t>> next(size_t batch_size) override;
  /// Samples given so far.
  size_t index() const noexcept { return index_; }
  std::vector<int64_t> state() const;
  void load_state(const std::vector<int64_t>& state);

 protected:
  size_t local_sample_count() const;
  /// Fills `share_` with the samples of this process.
  virtual void draw() = 0;
  size_t size_, num_replicas_, rank_, epoch_ = 0;
  bool allow_duplicates_;
  std::vector<size_t> share_;

 private:
  size_t index_ = 0;
};

class DistributedRandomSampler : public DistributedSampler {
 public:
  explicit DistributedRandomSampler(size_t size, size_t num_replicas = 1, size_t rank = 0,
                                    bool allow_duplicates = true);

 private:
  void draw() override;
};

class DistributedSequentialSampler : public DistributedSampler {
 public:
  explicit DistributedSequentialSampler(size_t size, size_t num_replicas = 1, size_t rank = 0,
                                        bool allow_duplicates = true);

 private:
  void draw() override;
};

}  // namespace fulmen::data::samplers
