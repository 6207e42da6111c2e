#pragma once
#include <fulmen/data/worker_threads.h>

#include <utility>
#include <vector>

// The parts of make_data_loader()'s loaders that pass jobs and results between threads.
namespace fulmen::data::detail {

[[noreturn]] void fail_queue_timeout(int64_t milliseconds);

/// First in, first out, between threads; for as few values as there are jobs.
template <class T>
class Queue {
 public:
  void push(T value) {
    SignalLock lock(signal_);
    values_.push_back(std::move(value));
    signal_.notify_all();
  }
  /// Waits for a value; throws after `timeout`.
  T pop(Timeout timeout = {}) {
    SignalLock lock(signal_);
    if (!signal_.wait([this] { return !values_.empty(); }, timeout)) fail_queue_timeout(timeout.milliseconds());
    T value = std::move(values_.front());
    values_.erase(values_.begin());
    return value;
  }
  /// Throws all values away; returns how many there were.
  size_t clear() {
    SignalLock lock(signal_);
    const size_t count = values_.size();
    values_.clear();
    return count;
  }

 private:
  std::vector<T> values_;
  Signal signal_;
};

/// Jobs on their way to the workers, results on their way back. All but pop_job and push_result belong to the main
/// thread.
template <class Job, class Result>
class DataShuttle {
 public:
  void push_job(Job job) {
    jobs_.push(std::move(job));
    ++in_flight_;
  }
  void push_result(Result result) { results_.push(std::move(result)); }
  Job pop_job() { return jobs_.pop(); }
  /// None if no job is under way.
  std::optional<Result> pop_result(Timeout timeout = {}) {
    if (in_flight_ == 0) return std::nullopt;
    Result result = results_.pop(timeout);
    --in_flight_;
    return result;
  }
  /// Takes back what no worker has begun, and waits for the rest.
  void drain() {
    in_flight_ -= jobs_.clear();
    while (in_flight_ > 0) {
      // Results that were pushed without a pop_job (by hand) have no job in flight any more.
      results_.pop();
      --in_flight_;
    }
    results_.clear();
  }
  size_t in_flight_jobs() const noexcept { return in_flight_; }

 private:
  Queue<Job> jobs_;
  Queue<Result> results_;
  size_t in_flight_ = 0;
};

namespace sequencers {

/// Decides in which order results leave the loader. `next(getter)` may call getter, which gives the next finished
/// result.
template <class Result>
struct Sequencer {
  using ResultProducer = AnyFunction<std::optional<Result>()>;
  virtual ~Sequencer() = default;
  virtual std::optional<Result> next(ResultProducer next_result) = 0;
};

/// As they come.
template <class Result>
struct NoSequencer final : Sequencer<Result> {
  using typename Sequencer<Result>::ResultProducer;
  std::optional<Result> next(ResultProducer next_result) override { return next_result(); }
};

/// By sequence number: a result that is early waits in a ring of as many places as there can be jobs.
template <class Result>
struct OrderedSequencer final : Sequencer<Result> {
  using typename Sequencer<Result>::ResultProducer;
  explicit OrderedSequencer(size_t max_jobs) : buffer_(max_jobs) {}

  std::optional<Result> next(ResultProducer next_result) override {
    std::optional<Result>& awaited = buffer_[next_sequence_number_ % buffer_.size()];
    while (!awaited) {
      std::optional<Result> result = next_result();
      if (!result) return std::nullopt;
      if (result->sequence_number == next_sequence_number_) {
        ++next_sequence_number_;
        return result;
      }
      buffer_[result->sequence_number % buffer_.size()] = std::move(result);
    }
    ++next_sequence_number_;
    return std::exchange(awaited, std::nullopt);
  }

  size_t next_sequence_number_ = 0;
  std::vector<std::optional<Result>> buffer_;
};

}  // namespace sequencers

}  // namespace fulmen::data::detail
