#include <fulmen/data/worker_threads.h>
#include <fulmen/tensor/threads.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace fulmen::data {

struct Signal::Body {
  std::mutex mutex;
  std::condition_variable condition;
};

Signal::Signal() : body_(std::make_unique<Body>()) {}
Signal::~Signal() = default;
void Signal::lock() { body_->mutex.lock(); }
void Signal::unlock() { body_->mutex.unlock(); }
void Signal::notify_all() { body_->condition.notify_all(); }

int64_t Signal::now() {
  auto since_start = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since_start).count();
}

void Signal::wait_once() {
  std::unique_lock held(body_->mutex, std::adopt_lock);
  body_->condition.wait(held);
  held.release();
}

bool Signal::wait_until(int64_t deadline) {
  std::unique_lock held(body_->mutex, std::adopt_lock);
  std::chrono::steady_clock::time_point until{std::chrono::milliseconds(deadline)};
  const bool notified = body_->condition.wait_until(held, until) == std::cv_status::no_timeout;
  held.release();
  return notified;
}

struct WorkerThreads::Body {
  std::vector<std::thread> threads;
};

WorkerThreads::WorkerThreads() : body_(std::make_unique<Body>()) {}
WorkerThreads::~WorkerThreads() { join(); }

void WorkerThreads::start(size_t count, AnyFunction<void(size_t worker)> work) {
  auto shared = std::make_shared<AnyFunction<void(size_t)>>(std::move(work));
  for (size_t worker = 0; worker < count; ++worker) {
    body_->threads.emplace_back([shared, worker] {
      SingleThreaded kernels_stay_here;
      (*shared)(worker);
    });
  }
}

void WorkerThreads::join() {
  for (std::thread& thread : body_->threads) thread.join();
  body_->threads.clear();
}

size_t WorkerThreads::count() const { return body_->threads.size(); }

}  // namespace fulmen::data
