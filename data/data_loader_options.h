#pragma once
#include <fulmen/data/worker_threads.h>

#include <exception>

namespace fulmen::data {

/// LibTorch's options of make_data_loader: `DataLoaderOptions(32).workers(2).drop_last(true)`.
class DataLoaderOptions {
 public:
  DataLoaderOptions() = default;
  DataLoaderOptions(size_t batch_size) : batch_size_(batch_size) {}

  DataLoaderOptions& batch_size(size_t v) { return set(batch_size_, v); }
  size_t batch_size() const { return batch_size_; }
  /// Threads that prepare batches; 0: the calling thread does.
  DataLoaderOptions& workers(size_t v) { return set(workers_, v); }
  size_t workers() const { return workers_; }
  /// Batches under way at the same time; 2 per worker if not given.
  DataLoaderOptions& max_jobs(std::optional<size_t> v) { return set(max_jobs_, v); }
  std::optional<size_t> max_jobs() const { return max_jobs_; }
  /// How long to wait for a batch of a worker.
  DataLoaderOptions& timeout(Timeout v) { return set(timeout_, v); }
  Timeout timeout() const { return timeout_; }
  /// Whether batches leave in the sampler's order, rather than as workers finish them.
  DataLoaderOptions& enforce_ordering(bool v) { return set(enforce_ordering_, v); }
  bool enforce_ordering() const { return enforce_ordering_; }
  /// Leaves out a last batch that is smaller than batch_size.
  DataLoaderOptions& drop_last(bool v) { return set(drop_last_, v); }
  bool drop_last() const { return drop_last_; }

 private:
  template <class T>
  DataLoaderOptions& set(T& member, T value) {
    member = value;
    return *this;
  }
  size_t batch_size_ = 1, workers_ = 0;
  std::optional<size_t> max_jobs_;
  Timeout timeout_;
  bool enforce_ordering_ = true, drop_last_ = false;
};

/// The same with everything filled in.
struct FullDataLoaderOptions {
  explicit FullDataLoaderOptions(const DataLoaderOptions& o)
      : batch_size(o.batch_size()),
        workers(o.workers()),
        max_jobs(o.max_jobs().value_or(2 * workers)),
        timeout(o.timeout()),
        enforce_ordering(o.enforce_ordering()),
        drop_last(o.drop_last()) {}
  size_t batch_size, workers, max_jobs;
  Timeout timeout;
  bool enforce_ordering, drop_last;
};

/// An exception that a worker met; `original_exception` is it.
class WorkerException : public std::exception {
 public:
  explicit WorkerException(std::exception_ptr original);
  const char* what() const noexcept override { return message.c_str(); }

  std::exception_ptr original_exception;
  std::string message;
};

}  // namespace fulmen::data
