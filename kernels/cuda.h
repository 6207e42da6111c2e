#pragma once
#include <fulmen/kernels/kernel.h>

#include <cstddef>

// What the files of kernels/cuda ask of the rest of the library; tensor/cuda implements it. Only where CUDA is built
// in.
namespace fulmen::cuda {

/// Device memory for one kernel call, at least 512-byte aligned, not initialised. It belongs to the launch's stream:
/// the destructor may run as soon as the work that uses it is enqueued there. Nothing is allocated for 0 bytes.
class Workspace {
 public:
  Workspace(const Launch& launch, size_t bytes);
  ~Workspace();
  Workspace(const Workspace&) = delete;
  void* data() const { return data_; }
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  int device_;
  void* data_ = nullptr;
  void* block_ = nullptr;
};

/// Copies host memory into device memory in stream order. `from` may change as soon as this returns.
void upload(const Launch& launch, void* to, const void* from, size_t bytes);

/// The properties of a device that kernels choose their shape by.
struct Processor {
  int capability;               ///< 10 * major + minor: 80, 90
  int multiprocessors;          ///< 132 on an H200
  int shared_memory_per_block;  ///< bytes, with opt-in (cudaFuncAttributeMaxDynamicSharedMemorySize)
  int threads_per_multiprocessor;
  int64_t l2_bytes;
};
const Processor& processor(const Launch& launch);

/// Throws an Error that names the op: a call of one of NVIDIA's libraries failed.
[[noreturn]] void library_failed(const Launch& launch, const char* call, const char* status, const char* what);

/// What a kernel can find wrong with its data. The host throws an Error that says so at the next synchronisation.
enum class FaultKind : int32_t {
  None,
  Index,  ///< value outside of [-limit, limit) or [0, limit), in an index tensor
  Label,  ///< value outside of [0, limit), in the labels of a loss
};
/// One per device, in memory that host and device both see; the first fault stays until the host has thrown it.
struct Fault {
  int32_t taken;  ///< by the thread that writes the rest
  FaultKind kind;
  int64_t value;     ///< what was found
  int64_t limit;     ///< the size it has to stay below
  int64_t position;  ///< row-major position in the index tensor
  const char* kernel;
  const char* op;
};
/// What a kernel that checks its data takes as a parameter, for report() in kernels/cuda/fault.h.
struct FaultWord {
  Fault* fault;
  const char* kernel;
  const char* op;
};
FaultWord fault_word(const Launch& launch, const char* kernel);

}  // namespace fulmen::cuda
