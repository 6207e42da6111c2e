#pragma once
#include <cuda_runtime.h>

namespace fulmen::cuda {

/// Throws an Error that names the call and CUDA's reason if a call of the CUDA runtime failed.
void require(cudaError_t result, const char* call);
#define FULMEN_CUDA_TRY(call) ::fulmen::cuda::require((call), #call)
/// For destructors: a driver that is shutting down is no reason to end the program.
inline void ignore(cudaError_t) noexcept {}

/// Throws if the calling thread is capturing a graph; `what` says what cannot be captured.
void require_no_capture(const char* what);

/// Makes a device the current one for the scope; -1 changes nothing.
class OnDevice {
 public:
  explicit OnDevice(int device);
  ~OnDevice();
  OnDevice(const OnDevice&) = delete;

 private:
  int before_ = -1;
};

}  // namespace fulmen::cuda
