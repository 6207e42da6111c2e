#pragma once
#include <fulmen/kernels/view.h>

namespace fulmen {

namespace autograd {
class Forward;
}

/// Where a kernel runs. Only an op's forward() can make one, so a derivative rule cannot reach a kernel.
class Launch {
 public:
  /// 0, 1, 2 for x86-64-v2, -v3, -v4.
  int isa() const { return isa_; }
  bool cuda() const { return device_ >= 0; }
  /// The number of the CUDA device; -1 on the CPU.
  int device() const { return device_; }
  /// The CUDA stream (cudaStream_t); null on the CPU.
  void* stream() const { return stream_; }
  /// The op that runs the kernel, for messages.
  const char* op() const { return op_; }

 private:
  friend class autograd::Forward;
  Launch(int device, int isa, void* stream, const char* op)
      : isa_(static_cast<int8_t>(isa)), device_(static_cast<int8_t>(device)), stream_(stream), op_(op) {}
  int8_t isa_;
  int8_t device_;
  void* stream_;
  const char* op_;
};

/// The instruction set chosen for this process, 0..2 as in Launch::isa(). The best one that the processor has, or the
/// one named by the environment variable FULMEN_CPU (v2, v3 or v4) if the processor has it.
int cpu_isa();

}  // namespace fulmen
