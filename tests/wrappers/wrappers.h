#pragma once
#include <cuda_runtime_api.h>

#include <bit>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

// What the functions of ptx.h, hopper.h and wgmma.h do, one small kernel each. The emulator's results lie in
// golden/results.txt; on a GPU the same kernels must give the same words. Inputs are small integers wherever sums are
// taken, so that every order of adding gives the same bits.
namespace wrapper_test {

/// The words that one kernel wrote.
struct Result {
  std::vector<uint32_t> words;
  double tolerance = 0;  ///< relative, if the words are floats that may differ; 0: the same bits
};

struct Case {
  std::string name;
  bool hopper;  ///< compute capability 9.0 only
  Result (*run)();
};

std::vector<Case> number_cases();
std::vector<Case> warp_cases();
std::vector<Case> copy_engine_cases();
std::vector<Case> wgmma_cases();

/// Throws a sentence if a call of the runtime failed.
void check(cudaError_t error, const char* what);

/// -4 ... 4 in an order without pattern.
inline int small(uint32_t i) {
  i = (i ^ (i >> 16)) * 0x45d9f3bu;
  i = (i ^ (i >> 16)) * 0x45d9f3bu;
  return static_cast<int>((i ^ (i >> 16)) % 9) - 4;
}

/// Device memory with `values`, or `count` words of 0xcdcdcdcd.
template <class T>
class Array {
 public:
  explicit Array(size_t count) : count_(count) {
    check(cudaMalloc(reinterpret_cast<void**>(&data_), count * sizeof(T)), "cudaMalloc");
    check(cudaMemset(data_, 0xcd, count * sizeof(T)), "cudaMemset");
  }
  explicit Array(const std::vector<T>& values) : Array(values.size()) {
    check(cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice), "cudaMemcpy");
  }
  ~Array() { (void)cudaFree(data_); }
  Array(const Array&) = delete;
  T* data() const { return data_; }
  /// Waits for the kernel.
  std::vector<uint32_t> words() const {
    check(cudaGetLastError(), "launch");
    check(cudaDeviceSynchronize(), "kernel");
    std::vector<uint32_t> words(count_ * sizeof(T) / 4);
    check(cudaMemcpy(words.data(), data_, words.size() * 4, cudaMemcpyDeviceToHost), "cudaMemcpy");
    return words;
  }

 private:
  size_t count_;
  T* data_ = nullptr;
};

/// `count` small integers as T.
template <class T>
std::vector<T> integers(size_t count, uint32_t seed) {
  std::vector<T> values;
  for (size_t i = 0; i < count; ++i) values.push_back(static_cast<T>(small(seed * 7919u + static_cast<uint32_t>(i))));
  return values;
}

}  // namespace wrapper_test
