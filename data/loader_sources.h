#pragma once
#include <fulmen/data/batch.h>
#include <fulmen/data/loader_engine.h>
#include <fulmen/data/worker_threads.h>

#include <exception>

// What a DataLoader can read: the kinds of datasets, each behind the BatchSource that the engine knows.
namespace fulmen::data {

namespace detail {

/// The batch that samples of type S make: tensors gain a dimension, numbers become tensors, texts lists.
template <class S>
struct BatchOf {
  using type = S;
};
template <Number S>
struct BatchOf<S> {
  using type = Tensor;
};
template <>
struct BatchOf<std::string> {
  using type = std::vector<std::string>;
};
template <class D, class T>
struct BatchOf<Example<D, T>> {
  using type = Example<typename BatchOf<D>::type, typename BatchOf<T>::type>;
};
template <>
struct BatchOf<void> {
  using type = void;
};

template <class D>
concept DrawsRandomNumbers = requires(const D& d, Generator& g) {
  d.get(int64_t{}, g);
};
/// `get(index)` gives one sample, `size()` says how many there are.
template <class D>
concept SampleDataset = (requires(const D& d) { d.get(int64_t{}); } || DrawsRandomNumbers<D>)&&requires(const D& d) {
  d.size();
};
/// LibTorch's datasets: `get_batch(indices)` gives what a batch is made of.
template <class D>
concept BatchDataset = requires(D& d, ArrayRef<size_t> indices) {
  d.get_batch(indices);
  { d.size() } -> std::convertible_to<std::optional<size_t>>;
};
/// `bool next(batch, size)` fills a batch until there is none, `restart()` goes back to the beginning.
template <class D, class B>
concept BatchStream = requires(D& d, B& b) {
  { d.next(b, int64_t{}) } -> std::convertible_to<bool>;
  d.restart();
};

template <class D>
struct SampleOf {
  using type = std::remove_cvref_t<decltype(std::declval<const D&>().get(int64_t{}))>;
};
template <DrawsRandomNumbers D>
struct SampleOf<D> {
  using type = std::remove_cvref_t<decltype(std::declval<const D&>().get(int64_t{}, std::declval<Generator&>()))>;
};
[[noreturn]] void rethrow_for_sample(int64_t sample);
[[noreturn]] void rethrow_for_samples(std::span<const int64_t> samples);
uint64_t sample_seed(uint64_t epoch_seed, int64_t sample);

template <class B>
class TypedSource : public BatchSource {
 public:
  void* make_batch() const final { return new B(); }
  void destroy_batch(void* batch) const noexcept final { delete static_cast<B*>(batch); }
  void move_batch(void* from, void* to) const final { *static_cast<B*>(to) = std::move(*static_cast<B*>(from)); }
};

/// All samples in memory, as one large batch: a batch is a selection of rows, copied in one go.
template <class B>
class MemorySource final : public TypedSource<B> {
 public:
  explicit MemorySource(B all) : all_(std::move(all)), samples_(check_batch(all_)) {}
  std::optional<int64_t> samples() const override { return samples_; }
  void fetch(std::span<const int64_t> samples, uint64_t, void* batch) const override {
    gather_samples(all_, samples, *static_cast<B*>(batch));
  }

 private:
  B all_;
  int64_t samples_;
};

/// Samples one by one, collated.
template <class D, class B>
class SampleSource final : public TypedSource<B> {
  using Sample = typename SampleOf<D>::type;

 public:
  explicit SampleSource(D dataset) : dataset_(std::move(dataset)) {}
  std::optional<int64_t> samples() const override { return static_cast<int64_t>(dataset_.size()); }
  void fetch(std::span<const int64_t> samples, uint64_t seed, void* batch) const override {
    std::vector<Sample> fetched;
    fetched.reserve(samples.size());
    for (int64_t sample : samples) {
      try {
        fetched.push_back(get(sample, seed));
      } catch (...) {
        rethrow_for_sample(sample);
      }
    }
    collate(std::span<const Sample>(fetched), *static_cast<B*>(batch));
  }

 private:
  Sample get(int64_t sample, [[maybe_unused]] uint64_t seed) const {
    if constexpr (DrawsRandomNumbers<D>) {
      Generator stream(sample_seed(seed, sample));
      return dataset_.get(sample, stream);
    } else {
      return dataset_.get(sample);
    }
  }
  D dataset_;
};

/// LibTorch's datasets may change while they are read, so whoever reads uses a copy of its own; a dataset that cannot
/// be copied is used by one worker at a time.
template <class D, class B>
class BatchDatasetSource final : public TypedSource<B> {
 public:
  explicit BatchDatasetSource(D dataset) : size_(dataset.size()) {
    FULMEN_CHECK(size_, "DataLoader: the dataset must know its size; give a stream instead");
    if constexpr (std::is_copy_constructible_v<D>) original_ = std::make_unique<D>(dataset);
    idle_.push_back(std::make_unique<D>(std::move(dataset)));
  }
  std::optional<int64_t> samples() const override { return static_cast<int64_t>(*size_); }
  void fetch(std::span<const int64_t> samples, uint64_t, void* batch) const override {
    std::vector<size_t> indices(samples.begin(), samples.end());
    std::unique_ptr<D> dataset = borrow();
    try {
      if constexpr (is_vector<BatchType>) {
        BatchType fetched = dataset->get_batch(indices);
        collate(std::span<const typename BatchType::value_type>(fetched), *static_cast<B*>(batch));
      } else {
        *static_cast<B*>(batch) = dataset->get_batch(indices);
      }
    } catch (...) {
      give_back(std::move(dataset));
      rethrow_for_samples(samples);
    }
    give_back(std::move(dataset));
  }

 private:
  using BatchType = std::remove_cvref_t<decltype(std::declval<D&>().get_batch(std::declval<ArrayRef<size_t>>()))>;
  std::unique_ptr<D> borrow() const {
    SignalLock lock(signal_);
    if constexpr (std::is_copy_constructible_v<D>) {
      if (idle_.empty()) return std::make_unique<D>(*original_);
    }
    signal_.wait([this] { return !idle_.empty(); });
    std::unique_ptr<D> dataset = std::move(idle_.back());
    idle_.pop_back();
    return dataset;
  }
  void give_back(std::unique_ptr<D> dataset) const {
    SignalLock lock(signal_);
    idle_.push_back(std::move(dataset));
    signal_.notify_all();
  }
  std::optional<size_t> size_;
  std::unique_ptr<D> original_;
  mutable std::vector<std::unique_ptr<D>> idle_;
  mutable Signal signal_;
};

/// Batches in the order in which they come.
template <class D, class B>
class StreamSource final : public TypedSource<B> {
 public:
  explicit StreamSource(D stream) : stream_(std::move(stream)) {}
  std::optional<int64_t> samples() const override { return std::nullopt; }
  void fetch(std::span<const int64_t>, uint64_t, void*) const override {}
  bool fetch_next(int64_t size, void* batch) override { return stream_.next(*static_cast<B*>(batch), size); }
  void restart() override { stream_.restart(); }

 private:
  D stream_;
};

/// The batch type that a dataset makes when none is named.
template <class D>
struct LoadedBatch {
  using type = D;
};
template <class D>
requires(!SampleDataset<D> && BatchDataset<D>) struct LoadedBatch<D> {
  template <class T>
  struct FromBatch {
    using type = T;
  };
  template <class T>
  struct FromBatch<std::vector<T>> : BatchOf<T> {};
  using type =
      typename FromBatch<std::remove_cvref_t<decltype(std::declval<D&>().get_batch(ArrayRef<size_t>()))>>::type;
};
template <SampleDataset D>
struct LoadedBatch<D> {
  using type = typename BatchOf<typename SampleOf<D>::type>::type;
};

}  // namespace detail

}  // namespace fulmen::data
