#pragma once
#include <cuda_runtime.h>
#include <doctest/doctest.h>
#include <emulator/control.h>

#include <string>
#include <vector>

// For tests of the emulator: memory on the emulated device, and running a test in all three orders of threads.
namespace emulator_test {

/// Device memory that holds a copy of `values`, or `count` values nobody has written.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t count) : count_(count) { REQUIRE(cudaMalloc(&data_, count * sizeof(T)) == cudaSuccess); }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    REQUIRE(cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice) == cudaSuccess);
  }
  DeviceArray(const DeviceArray&) = delete;
  ~DeviceArray() { (void)cudaFree(data_); }
  T* data() const { return data_; }
  size_t size() const { return count_; }
  std::vector<T> values() const {
    std::vector<T> result(count_);
    REQUIRE(cudaMemcpy(result.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess);
    return result;
  }

 private:
  size_t count_;
  T* data_ = nullptr;
};

/// Restores the settings and forgets errors at its end.
class Scope {
 public:
  Scope() : before_(emulator::settings()) { emulator::reset(); }
  ~Scope() {
    emulator::settings() = before_;
    emulator::reset();
  }

 private:
  emulator::Settings before_;
};

/// Calls `body` with threads in every order, blocks on one host thread and on two.
template <class Body>
void in_every_order(Body body) {
  Scope scope;
  for (auto order : {emulator::Order::forward, emulator::Order::reverse, emulator::Order::random}) {
    for (int threads : {1, 2}) {
      CAPTURE(static_cast<int>(order));
      CAPTURE(threads);
      emulator::settings().order = order;
      emulator::settings().threads = threads;
      emulator::settings().seed = 12345;
      body();
    }
  }
}

/// Values that differ and are exact in every floating-point type: -4, -3.75, ... 3.75, -4, ...
inline float sample(size_t i) { return static_cast<float>((i * 7 + i / 5) % 32) * 0.25f - 4.0f; }

}  // namespace emulator_test
