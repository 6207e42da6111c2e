#pragma once
#include <fulmen/bench/kernels/ladder/ladder.h>
#include <fulmen/tensor/cuda.h>

// What it takes to call a rung with tensors.
namespace kernel_bench {

inline cudaStream_t stream() { return static_cast<cudaStream_t>(fulmen::cuda::current_stream().handle()); }

template <class T>
T* writable(const fulmen::Tensor& t) {
  return const_cast<T*>(t.const_data_ptr<T>());
}

}  // namespace kernel_bench
