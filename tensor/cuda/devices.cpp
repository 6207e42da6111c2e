#include <fulmen/tensor/cuda/check.h>
#include <fulmen/tensor/cuda/devices.h>
#include <fulmen/tensor/cuda/faults.h>
#include <fulmen/tensor/error.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>

namespace fulmen::cuda {

namespace {

struct Found {
  int count = 0;
  std::string why_none;
};

std::atomic<bool> started{false};

/// Asks the driver once, when somebody first wants to know.
const Found& found() {
  static const auto* answer = [] {
    auto* f = new Found;
    const cudaError_t result = cudaGetDeviceCount(&f->count);
    if (result == cudaSuccess && f->count > 0) {
      f->count = std::min(f->count, max_devices);
      started = true;
      return f;
    }
    (void)cudaGetLastError();
    f->count = 0;
    if (result == cudaErrorInsufficientDriver) {
      f->why_none = "no NVIDIA driver, or one that is too old for this build's CUDA, is on this machine";
    } else if (result == cudaSuccess || result == cudaErrorNoDevice) {
      f->why_none = "the driver sees no CUDA device (is CUDA_VISIBLE_DEVICES set?)";
    } else {
      f->why_none = str("CUDA does not start: ", cudaGetErrorName(result), ": ", cudaGetErrorString(result));
    }
    return f;
  }();
  return *answer;
}

}  // namespace

bool driver_started() { return started.load(std::memory_order_relaxed); }
bool is_available() { return found().count > 0; }
int device_count() { return found().count; }
std::string why_not_available() { return found().why_none; }

int known_device(int device) {
  if (device < 0) return current_device();
  FULMEN_CHECK(device < device_count(), "there is no device cuda:", device, ": ",
               is_available() ? str("this machine has ", device_count(), ", counted from 0") : why_not_available());
  return device;
}

Device exact(Device device) {
  if (!device.is_cuda()) return device;
  if (!is_available()) {
    throw Error("E018", str("there is no device ", device, ": ", why_not_available()), "use the device cpu");
  }
  return Device(kCUDA, static_cast<DeviceIndex>(known_device(device.index())));
}

int current_device() {
  FULMEN_CHECK(is_available(), "there is no CUDA device: ", why_not_available());
  int device = 0;
  FULMEN_CUDA_TRY(cudaGetDevice(&device));
  return device;
}
void set_device(int device) { FULMEN_CUDA_TRY(cudaSetDevice(known_device(device))); }

DeviceProperties get_device_properties(int device) {
  device = known_device(device);
  static std::array<std::once_flag, max_devices> once;
  static auto* known = new std::array<DeviceProperties, max_devices>;
  std::call_once(once[static_cast<size_t>(device)], [device] {
    cudaDeviceProp p{};
    FULMEN_CUDA_TRY(cudaGetDeviceProperties(&p, device));
    (*known)[static_cast<size_t>(device)] = {p.name,
                                             p.major,
                                             p.minor,
                                             static_cast<int64_t>(p.totalGlobalMem),
                                             p.multiProcessorCount,
                                             p.maxThreadsPerMultiProcessor,
                                             static_cast<int>(p.sharedMemPerBlockOptin),
                                             p.l2CacheSize};
  });
  return (*known)[static_cast<size_t>(device)];
}

void synchronize(int device) {
  device = known_device(device);
  require_no_capture("synchronize");
  const OnDevice guard(device);
  FULMEN_CUDA_TRY(cudaDeviceSynchronize());
  throw_faults(device);
}

DeviceGuard::DeviceGuard(Device device) : before_(-1) {
  if (!device.is_cuda() || !device.has_index()) return;
  const int wanted = known_device(device.index()), now = current_device();
  if (wanted == now) return;
  set_device(wanted);
  before_ = now;
}
DeviceGuard::~DeviceGuard() {
  if (before_ >= 0) ignore(cudaSetDevice(before_));
}

}  // namespace fulmen::cuda
