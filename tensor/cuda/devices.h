#pragma once
#include <fulmen/tensor/cuda.h>

namespace fulmen::cuda {

inline constexpr int max_devices = 64;

/// The device's number; -1 becomes the current one. Throws if there is no such device.
int known_device(int device);

/// Whether the driver was asked for devices, and has some.
bool driver_started();
void nvtx_push(const char* name);
void nvtx_pop();

}  // namespace fulmen::cuda
