#include <cuda_runtime_api.h>
#include <fulmen/kernels/cuda/gpu.h>
#include <fulmen/tests/emulator/device.h>

// Several devices: what belongs to one, and what they may do with each other's.
using namespace fulmen;
using namespace emulator_test;

namespace {

constexpr int n = 100;

__global__ void add(float* y, const float* x, int count) {
  int i = static_cast<int>(gpu::thread_index());
  if (i < count) y[i] += x[i];
}

/// Three devices, the first of them the current one.
class Devices {
 public:
  Devices() { emulator::settings().devices = 3; }
  ~Devices() { (void)cudaSetDevice(0); }
  Devices(const Devices&) = delete;

 private:
  Scope scope_;
};
class OnDevice {
 public:
  explicit OnDevice(int device) {
    REQUIRE(cudaGetDevice(&before_) == cudaSuccess);
    REQUIRE(cudaSetDevice(device) == cudaSuccess);
  }
  ~OnDevice() { (void)cudaSetDevice(before_); }
  OnDevice(const OnDevice&) = delete;

 private:
  int before_ = 0;
};

DeviceArray<float> array_on(int device, float value) {
  const OnDevice guard(device);
  return DeviceArray<float>(std::vector<float>(n, value));
}
cudaStream_t stream_on(int device) {
  const OnDevice guard(device);
  cudaStream_t stream = nullptr;
  REQUIRE(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
  return stream;
}
std::string failure() { return cudaDeviceSynchronize() == cudaSuccess ? "" : emulator::report(); }

TEST_SUITE_BEGIN("emulator");

TEST_CASE("emulator: devices are counted, and a thread chooses one") {
  const Devices devices;
  int count = 0, current = -1;
  REQUIRE(cudaGetDeviceCount(&count) == cudaSuccess);
  CHECK(count == 3);
  CHECK(cudaSetDevice(3) == cudaErrorInvalidDevice);
  CHECK(cudaSetDevice(-1) == cudaErrorInvalidDevice);
  (void)cudaGetLastError();
  REQUIRE(cudaSetDevice(2) == cudaSuccess);
  REQUIRE(cudaGetDevice(&current) == cudaSuccess);
  CHECK(current == 2);
  cudaDeviceProp properties{};
  CHECK(cudaGetDeviceProperties(&properties, 2) == cudaSuccess);
  CHECK(cudaGetDeviceProperties(&properties, 3) == cudaErrorInvalidDevice);
  (void)cudaGetLastError();
}

TEST_CASE("emulator: memory belongs to the device that was current") {
  const Devices devices;
  emulator::settings().memory = 1 << 20;
  size_t free_before[2], free_after[2], total = 0;
  for (int device : {0, 1}) {
    const OnDevice guard(device);
    REQUIRE(cudaMemGetInfo(&free_before[device], &total) == cudaSuccess);
  }
  const DeviceArray<float> x = array_on(1, 1);
  for (int device : {0, 1}) {
    const OnDevice guard(device);
    REQUIRE(cudaMemGetInfo(&free_after[device], &total) == cudaSuccess);
  }
  CHECK(free_after[0] == free_before[0]);
  CHECK(free_after[1] == free_before[1] - n * sizeof(float));
  cudaPointerAttributes attributes{};
  REQUIRE(cudaPointerGetAttributes(&attributes, x.data()) == cudaSuccess);
  CHECK(attributes.device == 1);
}

TEST_CASE("emulator: a kernel may use its own device's memory only, unless it was given access") {
  for (int device : {0, 1, 2}) {
    const Devices devices;
    DeviceArray<float> y = array_on(1, 1), x = array_on(1, 2);
    const OnDevice guard(device);
    GPU_LAUNCH(add, 1, 128, 0, cudaStream_t{}, y.data(), x.data(), n);
    const std::string report = failure();
    CAPTURE(report);
    CHECK((report == "") == (device == 1));
    if (device != 1) CHECK(report.find("memory of device 1") != std::string::npos);
    if (device != 1) CHECK(report.find("kernel on device " + std::to_string(device)) != std::string::npos);
    emulator::reset();
    CHECK(x.values()[n - 1] == 2);  // the host reaches all of it
  }
  const Devices devices;
  DeviceArray<float> y = array_on(1, 1), x = array_on(0, 2);
  const OnDevice guard(1);
  REQUIRE(cudaDeviceEnablePeerAccess(0, 0) == cudaSuccess);
  CHECK(cudaDeviceEnablePeerAccess(0, 0) == cudaErrorPeerAccessAlreadyEnabled);
  CHECK(cudaDeviceEnablePeerAccess(1, 0) == cudaErrorInvalidDevice);
  (void)cudaGetLastError();
  GPU_LAUNCH(add, 1, 128, 0, cudaStream_t{}, y.data(), x.data(), n);
  CHECK(failure() == "");
  CHECK(y.values()[0] == 3);
  REQUIRE(cudaDeviceDisablePeerAccess(0) == cudaSuccess);
  CHECK(cudaDeviceDisablePeerAccess(0) == cudaErrorPeerAccessNotEnabled);
  (void)cudaGetLastError();
}

TEST_CASE("emulator: kernels and events keep to the streams of their device, copies do not") {
  const Devices devices;
  cudaStream_t stream = stream_on(1);
  DeviceArray<float> y = array_on(1, 1), x = array_on(1, 2);
  GPU_LAUNCH(add, 1, 128, 0, stream, y.data(), x.data(), n);  // the current device is 0
  CHECK(cudaGetLastError() == cudaErrorInvalidResourceHandle);
  cudaEvent_t event = nullptr;
  REQUIRE(cudaEventCreate(&event) == cudaSuccess);
  CHECK(cudaEventRecord(event, stream) == cudaErrorInvalidResourceHandle);
  (void)cudaGetLastError();
  REQUIRE(cudaEventRecord(event, nullptr) == cudaSuccess);
  CHECK(cudaStreamWaitEvent(stream, event, 0) == cudaSuccess);
  CHECK(cudaMemcpyAsync(y.data(), x.data(), n * sizeof(float), cudaMemcpyDeviceToDevice, stream) == cudaSuccess);
  CHECK(cudaStreamSynchronize(stream) == cudaSuccess);
  CHECK(y.values()[7] == 2);
  REQUIRE(cudaEventDestroy(event) == cudaSuccess);
  REQUIRE(cudaStreamDestroy(stream) == cudaSuccess);
}

TEST_CASE("emulator: copies between devices check whose memory it is") {
  const Devices devices;
  DeviceArray<float> y = array_on(1, 1), x = array_on(2, 2);
  constexpr size_t bytes = n * sizeof(float);
  CHECK(cudaMemcpyPeerAsync(y.data(), 2, x.data(), 1, bytes) == cudaErrorInvalidValue);
  CHECK(cudaMemcpyPeerAsync(y.data(), 1, x.data(), 3, bytes) == cudaErrorInvalidDevice);
  (void)cudaGetLastError();
  REQUIRE(cudaMemcpyPeerAsync(y.data(), 1, x.data(), 2, bytes) == cudaSuccess);
  CHECK(y.values()[n - 1] == 2);
  REQUIRE(cudaMemcpyPeer(y.data(), 1, x.data(), 2, bytes) == cudaSuccess);
  CHECK(cudaMemsetAsync(x.data(), 0, bytes) == cudaErrorInvalidValue);  // the null stream is device 0's
  (void)cudaGetLastError();
}

TEST_CASE("emulator: waiting for a device is not waiting for the others") {
  const Devices devices;
  emulator::settings().streams = emulator::Streams::lazy;
  cudaStream_t here = stream_on(0), there = stream_on(1);
  DeviceArray<float> y = array_on(1, 1), x = array_on(1, 2);
  {
    const OnDevice guard(1);
    GPU_LAUNCH(add, 1, 128, 0, there, y.data(), x.data(), n);
  }
  REQUIRE(cudaDeviceSynchronize() == cudaSuccess);
  CHECK(y.values()[0] == 1);
  cudaEvent_t event = nullptr;
  {
    const OnDevice guard(1);
    REQUIRE(cudaEventCreate(&event) == cudaSuccess);
    REQUIRE(cudaEventRecord(event, there) == cudaSuccess);
  }
  REQUIRE(cudaStreamWaitEvent(here, event, 0) == cudaSuccess);
  REQUIRE(cudaDeviceSynchronize() == cudaSuccess);
  CHECK(y.values()[0] == 3);
  REQUIRE(cudaEventDestroy(event) == cudaSuccess);
  for (cudaStream_t stream : {here, there}) REQUIRE(cudaStreamDestroy(stream) == cudaSuccess);
}

TEST_SUITE_END();

}  // namespace
