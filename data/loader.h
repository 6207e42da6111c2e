#pragma once
#include <fulmen/data/batch.h>
#include <fulmen/data/loader_engine.h>

#include <exception>

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
template <SampleDataset D>
struct LoadedBatch<D> {
  using type = typename BatchOf<typename SampleOf<D>::type>::type;
};

}  // namespace detail

/// Batches of type B from a dataset, epoch after epoch. A value that can be copied: copies share the same loader. A
/// default-constructed one is no loader (false).
///
/// The dataset is one of
/// - all samples in memory, as one large batch of type B: `DataLoader loader(Example<>(x, y), {.batch_size = 32})`;
/// - an object with `size()` and `get(int64_t) const`, which gives one sample without the batch dimension. Workers call
///   it at the same time. `get(int64_t, Generator&) const` receives a random stream that depends on seed, epoch and
///   sample only, not on the worker;
/// - a stream: `bool next(B&, int64_t batch_size)` and `restart()`; its length is not known, and it uses no workers.
///
/// Order: with `shuffle`, PyTorch's `torch.utils.data.DataLoader(..., shuffle=True)` under the same seed; every epoch
/// draws from the random stream exactly what PyTorch's draws, so what follows stays equal as well.
template <class B = Example<>>
class DataLoader {
 public:
  using Batch = B;

  DataLoader() = default;
  template <class D>
  requires(!std::same_as<std::remove_cvref_t<D>, DataLoader> &&
           !std::same_as<std::remove_cvref_t<D>, LoaderEngine>) explicit DataLoader(D dataset,
                                                                                    LoaderOptions options = {})
      : engine_(std::make_shared<LoaderEngine>(source_of(std::move(dataset)), std::move(options))) {}

  explicit operator bool() const { return engine_ != nullptr; }
  /// Batches per epoch; none for a stream.
  std::optional<int64_t> size() const { return engine().size(); }
  /// Samples per epoch, after drop_last; none for a stream.
  std::optional<int64_t> samples() const { return engine().samples(); }
  const LoaderOptions& options() const { return engine().options(); }
  /// The same dataset under other options, from its beginning.
  DataLoader with(LoaderOptions options) const {
    DataLoader other;
    other.engine_ = std::make_shared<LoaderEngine>(engine().source(), std::move(options));
    return other;
  }

  /// `loader.begin_epoch(); while (loader.next(batch)) ...`; a `for` over the loader does the same.
  void begin_epoch() { engine().begin_epoch(); }
  bool next(B& batch) { return engine().next(&batch); }
  /// The samples of the batch that next() gave last.
  std::span<const int64_t> indices() const { return engine().indices(); }
  std::vector<int64_t> state() const { return engine().state(); }
  void load_state(std::span<const int64_t> state) { engine().load_state(state); }

  /// What does not depend on B.
  LoaderEngine& engine() const {
    FULMEN_CHECK(engine_, "DataLoader: this one was default-constructed and has no dataset");
    return *engine_;
  }

  class Iterator {
   public:
    using value_type = B;
    using difference_type = std::ptrdiff_t;
    using reference = B&;
    using pointer = B*;
    using iterator_category = std::input_iterator_tag;
    explicit Iterator(LoaderEngine* engine) : engine_(engine) { ++*this; }
    B& operator*() { return batch_; }
    B* operator->() { return &batch_; }
    Iterator& operator++() {
      if (!engine_->next(&batch_)) engine_ = nullptr;
      return *this;
    }
    struct End {};
    bool operator==(End) const { return engine_ == nullptr; }

   private:
    LoaderEngine* engine_;
    B batch_{};
  };
  /// Begins an epoch.
  Iterator begin() {
    begin_epoch();
    return Iterator(engine_.get());
  }
  typename Iterator::End end() const { return {}; }

 private:
  template <class D>
  static std::shared_ptr<BatchSource> source_of(D dataset) {
    if constexpr (detail::SampleDataset<D>) {
      return std::make_shared<detail::SampleSource<D, B>>(std::move(dataset));
    } else if constexpr (detail::BatchStream<D, B>) {
      return std::make_shared<detail::StreamSource<D, B>>(std::move(dataset));
    } else {
      static_assert(
          std::convertible_to<D, B>,
          "a dataset is one large batch, or has size() and get(int64_t) const, or is a stream with next(batch, "
          "size) and restart(): this type is none of them, or makes batches of another type");
      return std::make_shared<detail::MemorySource<B>>(std::move(dataset));
    }
  }
  std::shared_ptr<LoaderEngine> engine_;
};

template <class D>
DataLoader(D, LoaderOptions = {}) -> DataLoader<typename detail::LoadedBatch<D>::type>;

}  // namespace fulmen::data
