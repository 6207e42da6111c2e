#pragma once
#include <fulmen/tensor/any_function.h>
#include <fulmen/tensor/error.h>

#include <memory>
#include <optional>

// What loaders need of threads, without <thread>, <mutex> and <chrono> in a header.
namespace fulmen::data {

/// How long to wait; made from any std::chrono duration. Without a value: for ever.
class Timeout {
 public:
  Timeout() = default;
  Timeout(std::nullopt_t) {}
  template <class Duration>
  requires requires(const Duration& d) {
    d.count();
    Duration::period::num;
  }
  Timeout(const Duration& d)
      : milliseconds_(static_cast<int64_t>(d.count() * 1000 * Duration::period::num / Duration::period::den)) {}
  bool has_value() const { return milliseconds_.has_value(); }
  int64_t milliseconds() const { return *milliseconds_; }

 private:
  std::optional<int64_t> milliseconds_;
};

/// A mutex with a condition that threads wait for.
class Signal {
 public:
  Signal();
  ~Signal();
  Signal(const Signal&) = delete;

  void lock();
  void unlock();
  void notify_all();
  /// With the lock held: returns when `ready()` holds (true), or after `timeout` (what ready() says then).
  template <class Ready>
  bool wait(Ready ready, Timeout timeout = {}) {
    const int64_t deadline = timeout.has_value() ? now() + timeout.milliseconds() : 0;
    while (!ready()) {
      if (!timeout.has_value()) {
        wait_once();
      } else if (!wait_until(deadline)) {
        return ready();
      }
    }
    return true;
  }

 private:
  static int64_t now();
  void wait_once();
  bool wait_until(int64_t deadline);
  struct Body;
  std::unique_ptr<Body> body_;
};

/// Holds a Signal's lock while it lives.
class SignalLock {
 public:
  explicit SignalLock(Signal& signal) : signal_(signal) { signal_.lock(); }
  ~SignalLock() { signal_.unlock(); }
  SignalLock(const SignalLock&) = delete;

 private:
  Signal& signal_;
};

/// Threads that prepare batches; kernels that they start stay on them.
class WorkerThreads {
 public:
  WorkerThreads();
  ~WorkerThreads();
  /// Runs work(0), ..., work(count - 1), each on a thread of its own.
  void start(size_t count, AnyFunction<void(size_t worker)> work);
  /// Waits until all have returned.
  void join();
  size_t count() const;

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

}  // namespace fulmen::data
