#pragma once
#include <fulmen/data/loader_sources.h>

namespace fulmen::data {

/// Batches of type B from a dataset, epoch after epoch. A value that can be copied: copies share the same loader. A
/// default-constructed one is no loader (false).
///
/// The dataset is one of
/// - all samples in memory, as one large batch of type B: `DataLoader loader(Example<>(x, y), {.batch_size = 32})`;
/// - an object with `size()` and `get(int64_t) const`, which gives one sample without the batch dimension. Workers call
///   it at the same time. `get(int64_t, Generator&) const` receives a random stream that depends on seed, epoch and
///   sample only, not on the worker;
/// - one of LibTorch's datasets (datasets.h), with or without `.map(...)`;
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
  requires(
      !std::same_as<std::remove_cvref_t<D>, DataLoader> && !std::same_as<std::remove_cvref_t<D>, LoaderEngine> &&
      !std::convertible_to<D, std::shared_ptr<detail::TypedSource<B>>>) explicit DataLoader(D dataset,
                                                                                            LoaderOptions options = {})
      : engine_(std::make_shared<LoaderEngine>(source_of(std::move(dataset)), std::move(options))) {}

  /// Of a source that makes batches by itself (combined.h).
  explicit DataLoader(std::shared_ptr<detail::TypedSource<B>> source, LoaderOptions options = {})
      : engine_(std::make_shared<LoaderEngine>(std::move(source), std::move(options))) {}

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
    } else if constexpr (detail::BatchDataset<D>) {
      return std::make_shared<detail::BatchDatasetSource<D, B>>(std::move(dataset));
    } else if constexpr (detail::BatchStream<D, B>) {
      return std::make_shared<detail::StreamSource<D, B>>(std::move(dataset));
    } else {
      static_assert(std::convertible_to<D, B>,
                    "a dataset is one large batch, or has size() and get(int64_t) const, or is one of LibTorch's, or "
                    "is a stream with next(batch, "
                    "size) and restart(): this type is none of them, or makes batches of another type");
      return std::make_shared<detail::MemorySource<B>>(std::move(dataset));
    }
  }
  std::shared_ptr<LoaderEngine> engine_;
};

template <class D>
DataLoader(D, LoaderOptions = {}) -> DataLoader<typename detail::LoadedBatch<D>::type>;

}  // namespace fulmen::data
