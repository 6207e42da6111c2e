#include <fulmen/tensor/cuda.h>
#include <fulmen/tensor/cuda/check.h>
#include <fulmen/tensor/error.h>

namespace fulmen::cuda {

namespace {

/// After these the context of the process is lost.
bool is_sticky(cudaError_t error) {
  return error == cudaErrorIllegalAddress || error == cudaErrorLaunchFailure || error == cudaErrorAssert ||
         error == cudaErrorMisalignedAddress;
}

}  // namespace

void require(cudaError_t result, const char* call) {
  if (result == cudaSuccess) [[likely]]
    return;
  (void)cudaGetLastError();
  std::string text =
      str("CUDA error: ", cudaGetErrorName(result), ": ", cudaGetErrorString(result), " (in ", call, ")");
  if (is_sticky(result)) {
    text +=
        ". A kernel that ran before this call failed, and CUDA can do nothing more in this process; run the program "
        "with "
        "FULMEN_CUDA_SYNC=1 to learn which kernel and op it was";
  }
  fail(std::move(text));
}

void require_no_capture(const char* what) {
  FULMEN_CHECK(!is_capturing(), what,
               ": operation not permitted while a CUDA graph is captured, because the host would "
               "have to wait for the device; do it before or after the captured step");
}

OnDevice::OnDevice(int device) {
  if (device < 0) return;
  int now = 0;
  FULMEN_CUDA_TRY(cudaGetDevice(&now));
  if (now == device) return;
  FULMEN_CUDA_TRY(cudaSetDevice(device));
  before_ = now;
}
OnDevice::~OnDevice() {
  if (before_ >= 0) ignore(cudaSetDevice(before_));
}

}  // namespace fulmen::cuda
