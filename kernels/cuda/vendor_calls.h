#pragma once
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

// What calls of NVIDIA's optional libraries (cuBLASLt, cuDNN) have in common.
namespace fulmen::cuda {

/// Hash of a plan's key: a struct of int64_t alone, so without gaps.
struct HashOfWords {
  template <class Key>
  size_t operator()(const Key& key) const {
    static_assert(sizeof(Key) % sizeof(int64_t) == 0);
    int64_t words[sizeof(Key) / sizeof(int64_t)];
    __builtin_memcpy(words, &key, sizeof(key));
    uint64_t hash = 14695981039346656037u;
    for (int64_t word : words) hash = (hash ^ static_cast<uint64_t>(word)) * 1099511628211u, hash ^= hash >> 29;
    return hash;
  }
};

/// The library may allocate for itself when it first runs; a graph that this thread captures must not refuse that.
class UnseenByCapture {
 public:
  UnseenByCapture() { (void)cudaThreadExchangeStreamCaptureMode(&mode_); }
  ~UnseenByCapture() { (void)cudaThreadExchangeStreamCaptureMode(&mode_); }
  UnseenByCapture(const UnseenByCapture&) = delete;

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

}  // namespace fulmen::cuda
