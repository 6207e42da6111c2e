#pragma once
#include <emulator/runtime_api.h>

// What only the host code of several devices calls, so that kernels are not compiled again with it.
inline constexpr auto cudaErrorPeerAccessNotEnabled = static_cast<cudaError_t>(705);

extern "C" {

/// Kernels of the current device may use memory of `peer` from now on; until they may not.
cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned flags);
cudaError_t cudaDeviceDisablePeerAccess(int peer);

cudaError_t cudaMemcpyPeer(void* to, int to_device, const void* from, int from_device, size_t bytes);
cudaError_t cudaMemcpyPeerAsync(void* to, int to_device, const void* from, int from_device, size_t bytes,
                                cudaStream_t stream = nullptr);

}  // extern "C"
