#include <fulmen/tensor/cuda/check.h>
#include <fulmen/tensor/cuda/devices.h>
#include <fulmen/tensor/cuda/faults.h>
#include <fulmen/tensor/device_memory.h>
#include <fulmen/tensor/error.h>

#include <array>
#include <atomic>
#include <mutex>

namespace fulmen::cuda {

namespace {

constexpr size_t pool_size = 32;
constexpr size_t default_place = pool_size, copy_place = pool_size + 1;

/// The streams of a device, made when they are first asked for and never destroyed.
struct DeviceStreams {
  std::mutex mutex;
  std::array<std::atomic<void*>, pool_size + 2> handles{};
  std::atomic<size_t> next{0};

  void* get(int device, size_t place) {
    if (void* handle = handles[place].load(std::memory_order_acquire)) return handle;
    std::lock_guard lock(mutex);
    if (void* handle = handles[place].load(std::memory_order_acquire)) return handle;
    const OnDevice guard(device);
    cudaStream_t stream = nullptr;
    FULMEN_CUDA_TRY(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    handles[place].store(stream, std::memory_order_release);
    return stream;
  }
};
DeviceStreams& streams_of(int device) {
  static auto* all = new std::array<DeviceStreams, max_devices>;
  return (*all)[static_cast<size_t>(device)];
}

/// What set_current_stream() chose; null stands for the default stream.
thread_local constinit void* chosen[max_devices] = {};

cudaStream_t raw(void* handle) { return static_cast<cudaStream_t>(handle); }

}  // namespace

void* launch_stream(int device) {
  if (void* handle = chosen[device]) return handle;
  return streams_of(device).get(device, default_place);
}

Stream::Stream(int device) : device_(known_device(device)), handle_(nullptr) {
  DeviceStreams& streams = streams_of(device_);
  handle_ = streams.get(device_, streams.next.fetch_add(1) % pool_size);
}

void Stream::synchronize() const {
  require_no_capture("Stream::synchronize");
  FULMEN_CUDA_TRY(cudaStreamSynchronize(raw(handle_)));
  throw_faults(device_);
}

bool Stream::query() const {
  const cudaError_t result = cudaStreamQuery(raw(handle_));
  if (result == cudaErrorNotReady) {
    (void)cudaGetLastError();
    return false;
  }
  FULMEN_CUDA_TRY(result);
  return true;
}

void Stream::wait_stream(const Stream& other) const {
  if (*this == other) return;
  Event reached;
  reached.record(other);
  reached.block(*this);
}

Stream stream_of_handle(int device, void* handle) { return Stream(known_device(device), handle); }

Stream current_stream(int device) {
  device = known_device(device);
  return stream_of_handle(device, launch_stream(device));
}
void set_current_stream(const Stream& stream) { chosen[stream.device()] = stream.handle(); }

Stream default_stream(int device) {
  device = known_device(device);
  return stream_of_handle(device, streams_of(device).get(device, default_place));
}
Stream copy_stream(int device) {
  device = known_device(device);
  return stream_of_handle(device, streams_of(device).get(device, copy_place));
}

StreamGuard::StreamGuard(const Stream& stream)
    : before_(current_stream(stream.device())), device_before_(current_device()) {
  set_current_stream(stream);
  if (stream.device() != device_before_) set_device(stream.device());
}
StreamGuard::~StreamGuard() {
  if (before_.device() != device_before_) ignore(cudaSetDevice(device_before_));
  set_current_stream(before_);
}

ThreadPlace::ThreadPlace() {
  if (!driver_started()) return;
  device_ = current_device();
  for (int i = 0; i < device_count(); ++i) {
    if (chosen[i]) chosen_.push_back(stream_of_handle(i, chosen[i]));
  }
}
void ThreadPlace::take() const {
  if (device_ < 0) return;
  set_device(device_);
  for (const Stream& stream : chosen_) set_current_stream(stream);
}

// --- events

Event::Event(bool timing) : timing_(timing) {}
Event::~Event() {
  if (handle_) ignore(cudaEventDestroy(static_cast<cudaEvent_t>(handle_)));
}
Event::Event(Event&& other) noexcept
    : timing_(other.timing_), device_(other.device_), handle_(std::exchange(other.handle_, nullptr)) {}
Event& Event::operator=(Event&& other) noexcept {
  std::swap(timing_, other.timing_);
  std::swap(device_, other.device_);
  std::swap(handle_, other.handle_);
  return *this;
}

void Event::record(const Stream& stream) {
  if (!handle_) {
    const OnDevice guard(stream.device());
    cudaEvent_t event = nullptr;
    FULMEN_CUDA_TRY(cudaEventCreateWithFlags(&event, timing_ ? cudaEventDefault : cudaEventDisableTiming));
    handle_ = event;
    device_ = stream.device();
  }
  FULMEN_CHECK(device_ == stream.device(), "Event device cuda:", device_,
               " does not match recording stream's device cuda:", stream.device());
  const OnDevice guard(device_);
  FULMEN_CUDA_TRY(cudaEventRecord(static_cast<cudaEvent_t>(handle_), raw(stream.handle())));
}

void Event::block(const Stream& stream) const {
  if (!handle_) return;
  const OnDevice guard(stream.device());
  FULMEN_CUDA_TRY(cudaStreamWaitEvent(raw(stream.handle()), static_cast<cudaEvent_t>(handle_), 0));
}

bool Event::query() const {
  if (!handle_) return true;
  const cudaError_t result = cudaEventQuery(static_cast<cudaEvent_t>(handle_));
  if (result == cudaErrorNotReady) {
    (void)cudaGetLastError();
    return false;
  }
  FULMEN_CUDA_TRY(result);
  return true;
}

void Event::synchronize() const {
  if (!handle_) return;
  require_no_capture("Event::synchronize");
  FULMEN_CUDA_TRY(cudaEventSynchronize(static_cast<cudaEvent_t>(handle_)));
  throw_faults(device_);
}

float Event::elapsed_time(const Event& end) const {
  FULMEN_CHECK(timing_ && end.timing_, "elapsed_time: both events need timing: Event(true)");
  FULMEN_CHECK(handle_ && end.handle_, "elapsed_time: both events must be recorded before calculating elapsed time");
  float milliseconds = 0;
  FULMEN_CUDA_TRY(
      cudaEventElapsedTime(&milliseconds, static_cast<cudaEvent_t>(handle_), static_cast<cudaEvent_t>(end.handle_)));
  return milliseconds;
}

}  // namespace fulmen::cuda
