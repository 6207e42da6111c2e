#include <cuda_runtime_api.h>
#include <emulator/control.h>

#include "runtime.h"

// How many devices there are, which one a host thread works with, and which may use each other's memory.
namespace emulator {

int running_device = 0;

namespace {

thread_local int chosen = 0;
bool peers[most_devices][most_devices] = {};  // of a kernel's device: whose memory it may use

}  // namespace

bool valid_device(int device) { return device >= 0 && device < settings().devices; }
int current_device() { return valid_device(chosen) ? chosen : 0; }
bool may_access(int device, int owner) { return device == owner || peers[device][owner]; }

}  // namespace emulator

using namespace emulator;

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  *count = settings().devices;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = current_device();
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  if (!valid_device(device)) return result(cudaErrorInvalidDevice);
  chosen = device;
  return result(cudaSuccess);
}

cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer) {
  if (!valid_device(device) || !valid_device(peer)) return result(cudaErrorInvalidDevice);
  *can = device != peer;
  return result(cudaSuccess);
}
cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned flags) {
  std::lock_guard lock(runtime_mutex());
  const int device = current_device();
  if (!valid_device(peer) || peer == device) return result(cudaErrorInvalidDevice);
  if (flags != 0) return result(cudaErrorInvalidValue);
  if (peers[device][peer]) return result(cudaErrorPeerAccessAlreadyEnabled);
  peers[device][peer] = true;
  return result(cudaSuccess);
}
cudaError_t cudaDeviceDisablePeerAccess(int peer) {
  std::lock_guard lock(runtime_mutex());
  const int device = current_device();
  if (!valid_device(peer)) return result(cudaErrorInvalidDevice);
  if (!peers[device][peer] || peer == device) return result(cudaErrorPeerAccessNotEnabled);
  finish_device(device);
  peers[device][peer] = false;
  return result(cudaSuccess);
}

}  // extern "C"
