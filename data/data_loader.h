#pragma once
#include <fulmen/data/data_loader_iterator.h>
#include <fulmen/data/data_loader_options.h>
#include <fulmen/data/datasets.h>
#include <fulmen/data/job_queue.h>
#include <fulmen/data/samplers.h>
#include <fulmen/tensor/any_function.h>

// LibTorch's loaders: make_data_loader(dataset, sampler, options) and an input iterator over batches. The trainer's
// loader, which can be saved in the middle of an epoch, is DataLoader in loader.h.
namespace fulmen::data {

/// Gives batches of `Batch`; what a request is, and where it comes from, the deriving classes know.
template <class Dataset, class Batch, class BatchRequest>
class DataLoaderBase {
 public:
  using DatasetType = Dataset;
  using BatchType = Batch;
  using BatchRequestType = BatchRequest;

  virtual ~DataLoaderBase() { join(); }
  DataLoaderBase(const DataLoaderBase&) = delete;

  /// Begins an epoch. Throws if an iterator with workers is still under way.
  Iterator<Batch> begin() {
    FULMEN_CHECK(shuttle_.in_flight_jobs() == 0,
                 "Attempted to get a new DataLoader iterator while another iterator is not yet exhausted");
    reset();
    return Iterator<Batch>([this] { return next(); });
  }
  Iterator<Batch> end() { return {}; }

  /// Ends the workers; afterwards the loader cannot be used. The destructor does the same.
  void join() {
    if (joined_) return;
    shuttle_.drain();
    for (size_t i = 0; i < threads_.count(); ++i) shuttle_.push_job({});
    threads_.join();
    joined_ = true;
  }
  const FullDataLoaderOptions& options() const noexcept { return options_; }

 protected:
  explicit DataLoaderBase(DataLoaderOptions options) : options_(std::move(options)), sequencer_(new_sequencer()) {
    FULMEN_CHECK(options_.workers == 0 || options_.max_jobs > 0, "DataLoaderOptions: max_jobs must be positive");
  }

  virtual std::optional<BatchRequest> get_batch_request() = 0;
  virtual void reset() {
    shuttle_.drain();
    next_job_ = 0;
    sequencer_ = new_sequencer();
    if (threads_.count() > 0) prefetch(options_.max_jobs);
  }
  /// `dataset_of(worker)` is the dataset that a worker uses.
  void start_workers(AnyFunction<Dataset*(size_t worker)> dataset_of) {
    threads_.start(options_.workers, [this, dataset_of = std::move(dataset_of)](size_t worker) {
      Dataset* dataset = dataset_of(worker);
      while (true) {
        Job job = shuttle_.pop_job();
        if (!job.request) return;
        Result result;
        result.sequence_number = job.sequence_number;
        try {
          result.batch = dataset->get_batch(std::move(*job.request));
        } catch (...) {
          result.exception = std::current_exception();
        }
        shuttle_.push_result(std::move(result));
      }
    });
  }

  const FullDataLoaderOptions options_;
  /// Used by the calling thread when there are no workers, and by all workers if the dataset is stateful.
  std::unique_ptr<Dataset> main_thread_dataset_;

 private:
  struct Job {
    size_t sequence_number = 0;
    std::optional<BatchRequest> request;  ///< none: the worker shall end
  };
  struct Result {
    size_t sequence_number = 0;
    std::optional<Batch> batch;  ///< none: the dataset is exhausted
    std::exception_ptr exception;
  };

  std::unique_ptr<detail::sequencers::Sequencer<Result>> new_sequencer() const {
    if (options_.enforce_ordering && options_.max_jobs > 0) {
      return std::make_unique<detail::sequencers::OrderedSequencer<Result>>(options_.max_jobs);
    }
    return std::make_unique<detail::sequencers::NoSequencer<Result>>();
  }
  void prefetch(size_t jobs) {
    for (size_t i = 0; i < jobs; ++i) {
      std::optional<BatchRequest> request = get_batch_request();
      if (!request) return;
      shuttle_.push_job({next_job_++, std::move(request)});
    }
  }
  std::optional<Batch> next() {
    if (threads_.count() == 0) {
      std::optional<BatchRequest> request = get_batch_request();
      if (!request) return std::nullopt;
      return main_thread_dataset_->get_batch(std::move(*request));
    }
    while (std::optional<Result> result = sequencer_->next([this] { return shuttle_.pop_result(options_.timeout); })) {
      if (result->exception) throw WorkerException(result->exception);
      if (result->batch) {
        prefetch(1);
        return std::move(result->batch);
      }
    }
    return std::nullopt;
  }

  size_t next_job_ = 0;
  bool joined_ = false;
  detail::DataShuttle<Job, Result> shuttle_;
  std::unique_ptr<detail::sequencers::Sequencer<Result>> sequencer_;
  WorkerThreads threads_;
};

/// A loader of a dataset without state, ordered by a sampler. Every worker has a copy of the dataset.
template <class Dataset, class Sampler>
class StatelessDataLoader final
    : public DataLoaderBase<Dataset, typename Dataset::BatchType, typename Sampler::BatchRequestType> {
  using Base = DataLoaderBase<Dataset, typename Dataset::BatchType, typename Sampler::BatchRequestType>;

 public:
  StatelessDataLoader(Dataset dataset, Sampler sampler, DataLoaderOptions options)
      : Base(std::move(options)), sampler_(std::move(sampler)) {
    if constexpr (std::is_copy_constructible_v<Dataset>) {
      for (size_t i = 0; i < this->options_.workers; ++i) copies_.push_back(std::make_unique<Dataset>(dataset));
    } else {
      FULMEN_CHECK(this->options_.workers == 0,
                   "DataLoader: workers need copies of the dataset, and this one cannot be copied; wrap it with "
                   "make_shared_dataset");
    }
    if (this->options_.workers == 0) this->main_thread_dataset_ = std::make_unique<Dataset>(std::move(dataset));
    this->start_workers([this](size_t worker) { return copies_[worker].get(); });
  }
  ~StatelessDataLoader() override { this->join(); }

 private:
  std::optional<typename Sampler::BatchRequestType> get_batch_request() override {
    auto request = sampler_.next(this->options_.batch_size);
    if (request && this->options_.drop_last && request->size() < this->options_.batch_size) return std::nullopt;
    return request;
  }
  void reset() override {
    sampler_.reset(std::nullopt);
    Base::reset();
  }

  Sampler sampler_;
  std::vector<std::unique_ptr<Dataset>> copies_;
};

/// A loader of a dataset that keeps its own position; all workers use the same object.
template <class Dataset>
class StatefulDataLoader final
    : public DataLoaderBase<Dataset, typename Dataset::BatchType::value_type, typename Dataset::BatchRequestType> {
  using Base = DataLoaderBase<Dataset, typename Dataset::BatchType::value_type, typename Dataset::BatchRequestType>;

 public:
  StatefulDataLoader(Dataset dataset, DataLoaderOptions options) : Base(std::move(options)) {
    this->main_thread_dataset_ = std::make_unique<Dataset>(std::move(dataset));
    this->start_workers([this](size_t) { return this->main_thread_dataset_.get(); });
  }
  ~StatefulDataLoader() override { this->join(); }

 private:
  std::optional<typename Dataset::BatchRequestType> get_batch_request() override { return this->options_.batch_size; }
  void reset() override {
    this->main_thread_dataset_->reset();
    Base::reset();
  }
};

template <class Dataset, class Sampler>
requires(!Dataset::is_stateful) std::unique_ptr<StatelessDataLoader<Dataset, Sampler>> make_data_loader(
    Dataset dataset, Sampler sampler, DataLoaderOptions options) {
  return std::make_unique<StatelessDataLoader<Dataset, Sampler>>(std::move(dataset), std::move(sampler),
                                                                 std::move(options));
}

/// The sampler is made from the dataset's size; throws if it has none.
template <class Sampler = samplers::RandomSampler, class Dataset>
requires(!Dataset::is_stateful) std::unique_ptr<StatelessDataLoader<Dataset, Sampler>> make_data_loader(
    Dataset dataset, DataLoaderOptions options = {}) {
  const std::optional<size_t> size = dataset.size();
  FULMEN_CHECK(size.has_value(), "Expected the dataset to be sized in order to construct the Sampler");
  return make_data_loader(std::move(dataset), Sampler(*size), std::move(options));
}

template <class Dataset>
requires(Dataset::is_stateful) std::unique_ptr<StatefulDataLoader<Dataset>> make_data_loader(
    Dataset dataset, DataLoaderOptions options = {}) {
  return std::make_unique<StatefulDataLoader<Dataset>>(std::move(dataset), std::move(options));
}

}  // namespace fulmen::data
