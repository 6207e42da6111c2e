#include <fulmen/kernels/cuda/gpu.h>
#include <fulmen/tests/emulator/device.h>

// The runtime: copies, streams, events, graphs, errors.
using namespace fulmen;
using namespace emulator_test;

namespace {

__global__ void add(float* y, float value, int n) {
  int i = static_cast<int>(gpu::thread_index());
  if (i < n) y[i] += value;
}
__global__ void scale(float* y, float value, int n) {
  int i = static_cast<int>(gpu::thread_index());
  if (i < n) y[i] *= value;
}
__global__ void fails(float* y) {
  __trap();
  y[0] = 1;
}

class Stream {
 public:
  Stream() { REQUIRE(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking) == cudaSuccess); }
  Stream(const Stream&) = delete;
  ~Stream() { (void)cudaStreamDestroy(stream_); }
  operator cudaStream_t() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};
class Event {
 public:
  explicit Event(unsigned flags = cudaEventDefault) {
    REQUIRE(cudaEventCreateWithFlags(&event_, flags) == cudaSuccess);
  }
  Event(const Event&) = delete;
  ~Event() { (void)cudaEventDestroy(event_); }
  operator cudaEvent_t() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};
/// Pinned memory of floats.
class Pinned {
 public:
  explicit Pinned(size_t count) { REQUIRE(cudaHostAlloc(&data_, count * sizeof(float), 0) == cudaSuccess); }
  Pinned(const Pinned&) = delete;
  ~Pinned() { (void)cudaFreeHost(data_); }
  float* data() const { return data_; }
  float& operator[](size_t i) const { return data_[i]; }

 private:
  float* data_ = nullptr;
};

/// Calls `body` with streams that run at once, late, and anywhere between.
template <class Body>
void with_every_kind_of_stream(Body body) {
  Scope scope;
  for (auto streams : {emulator::Streams::eager, emulator::Streams::lazy, emulator::Streams::random}) {
    CAPTURE(static_cast<int>(streams));
    emulator::settings().streams = streams;
    for (int repeat = 0; repeat < 5; ++repeat) body();
  }
}

constexpr int n = 100;

TEST_SUITE_BEGIN("emulator");

TEST_CASE("emulator: work of a stream runs in order") {
  with_every_kind_of_stream([] {
    Stream stream;
    DeviceArray<float> y(size_t{n});
    Pinned host(n);
    for (size_t i = 0; i < n; ++i) host[i] = 1;
    REQUIRE(cudaMemcpyAsync(y.data(), host.data(), n * 4, cudaMemcpyHostToDevice, stream) == cudaSuccess);
    GPU_LAUNCH(add, 1, 128, 0, stream, y.data(), 2.0f, n);
    GPU_LAUNCH(scale, 1, 128, 0, stream, y.data(), 10.0f, n);
    GPU_LAUNCH(add, 1, 128, 0, stream, y.data(), 1.0f, n);
    REQUIRE(cudaMemcpyAsync(host.data(), y.data(), n * 4, cudaMemcpyDeviceToHost, stream) == cudaSuccess);
    REQUIRE(cudaStreamSynchronize(stream) == cudaSuccess);
    for (size_t i = 0; i < n; ++i) CHECK(host[i] == 31.0f);
  });
}

TEST_CASE("emulator: events order two streams, and lazy streams show where one is missing") {
  with_every_kind_of_stream([] {
    Stream first, second;
    Event ready(cudaEventDisableTiming);
    DeviceArray<float> y(std::vector<float>(n, 1.0f));
    GPU_LAUNCH(add, 1, 128, 0, first, y.data(), 2.0f, n);
    REQUIRE(cudaEventRecord(ready, first) == cudaSuccess);
    REQUIRE(cudaStreamWaitEvent(second, ready) == cudaSuccess);
    GPU_LAUNCH(scale, 1, 128, 0, second, y.data(), 10.0f, n);
    REQUIRE(cudaStreamSynchronize(second) == cudaSuccess);
    CHECK(y.values()[0] == 30.0f);
  });
  Scope scope;
  emulator::settings().streams = emulator::Streams::lazy;
  Stream first, second;
  DeviceArray<float> y(std::vector<float>(n, 1.0f));
  GPU_LAUNCH(add, 1, 128, 0, first, y.data(), 2.0f, n);
  GPU_LAUNCH(scale, 1, 128, 0, second, y.data(), 10.0f, n);
  REQUIRE(cudaStreamSynchronize(second) == cudaSuccess);
  CHECK(y.values()[0] == 10.0f);
  REQUIRE(cudaStreamSynchronize(first) == cudaSuccess);
  CHECK(y.values()[0] == 12.0f);
}

TEST_CASE("emulator: queries, and times between events") {
  Scope scope;
  emulator::settings().streams = emulator::Streams::lazy;
  Stream stream;
  Event start, end, never;
  DeviceArray<float> y(std::vector<float>(n, 1.0f));
  REQUIRE(cudaEventRecord(start, stream) == cudaSuccess);
  GPU_LAUNCH(add, 1, 128, 0, stream, y.data(), 2.0f, n);
  REQUIRE(cudaEventRecord(end, stream) == cudaSuccess);
  CHECK(cudaStreamQuery(stream) == cudaErrorNotReady);
  CHECK(cudaEventQuery(end) == cudaErrorNotReady);
  CHECK(cudaEventQuery(never) == cudaSuccess);
  float milliseconds = -1;
  CHECK(cudaEventElapsedTime(&milliseconds, start, end) == cudaErrorNotReady);
  CHECK(cudaEventElapsedTime(&milliseconds, start, never) == cudaErrorInvalidResourceHandle);
  REQUIRE(cudaEventSynchronize(end) == cudaSuccess);
  CHECK(cudaStreamQuery(stream) == cudaSuccess);
  CHECK(cudaEventElapsedTime(&milliseconds, start, end) == cudaSuccess);
  CHECK(milliseconds > 0.0f);
  CHECK(y.values()[0] == 3.0f);
}

TEST_CASE("emulator: host functions run in stream order") {
  with_every_kind_of_stream([] {
    Stream stream;
    DeviceArray<float> y(std::vector<float>(n, 1.0f));
    Pinned host(1);
    struct Seen {
      float* value;
      float copy;
    } seen{host.data(), 0};
    host[0] = 0;
    GPU_LAUNCH(add, 1, 128, 0, stream, y.data(), 2.0f, n);
    REQUIRE(cudaMemcpyAsync(host.data(), y.data(), 4, cudaMemcpyDeviceToHost, stream) == cudaSuccess);
    auto copy = [](void* p) {
      auto* s = static_cast<Seen*>(p);
      s->copy = *s->value;
    };
    REQUIRE(cudaLaunchHostFunc(stream, copy, &seen) == cudaSuccess);
    REQUIRE(cudaStreamSynchronize(stream) == cudaSuccess);
    CHECK(seen.copy == 3.0f);
  });
}

TEST_CASE("emulator: pageable memory is staged, two-dimensional copies keep their gaps") {
  with_every_kind_of_stream([] {
    Stream stream;
    DeviceArray<float> y(size_t{12});
    std::vector<float> host(12);
    for (size_t i = 0; i < 12; ++i) host[i] = static_cast<float>(i);
    REQUIRE(cudaMemcpyAsync(y.data(), host.data(), 48, cudaMemcpyDefault, stream) == cudaSuccess);
    host.assign(12, -1.0f);
    REQUIRE(cudaMemcpy2DAsync(host.data(), 16, y.data() + 1, 16, 8, 3, cudaMemcpyDeviceToHost, stream) == cudaSuccess);
    REQUIRE(cudaStreamSynchronize(stream) == cudaSuccess);
    CHECK(host == std::vector<float>{1, 2, -1, -1, 5, 6, -1, -1, 9, 10, -1, -1});
  });
}

TEST_CASE("emulator: a graph replays what a stream recorded, with the memory's values of then") {
  with_every_kind_of_stream([] {
    Stream stream, side;
    Event fork(cudaEventDisableTiming), join(cudaEventDisableTiming);
    DeviceArray<float> y(std::vector<float>(n, 1.0f)), z(std::vector<float>(n, 1.0f));
    REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
    GPU_LAUNCH(add, 1, 128, 0, stream, y.data(), 1.0f, n);
    REQUIRE(cudaEventRecord(fork, stream) == cudaSuccess);
    REQUIRE(cudaStreamWaitEvent(side, fork) == cudaSuccess);
    GPU_LAUNCH(scale, 1, 128, 0, side, z.data(), 3.0f, n);
    GPU_LAUNCH(scale, 1, 128, 0, stream, y.data(), 2.0f, n);
    REQUIRE(cudaEventRecord(join, side) == cudaSuccess);
    REQUIRE(cudaStreamWaitEvent(stream, join) == cudaSuccess);
    REQUIRE(cudaMemcpyAsync(z.data(), y.data(), 4, cudaMemcpyDeviceToDevice, stream) == cudaSuccess);
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    REQUIRE(cudaStreamIsCapturing(side, &status) == cudaSuccess);
    CHECK(status == cudaStreamCaptureStatusActive);
    cudaGraph_t graph = nullptr;
    REQUIRE(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
    CHECK(y.values()[0] == 1.0f);  // nothing has run
    size_t nodes = 0;
    REQUIRE(cudaGraphGetNodes(graph, nullptr, &nodes) == cudaSuccess);
    CHECK(nodes == 4);
    cudaGraphExec_t exec = nullptr;
    REQUIRE(cudaGraphInstantiate(&exec, graph) == cudaSuccess);
    REQUIRE(cudaGraphDestroy(graph) == cudaSuccess);
    for (int i = 0; i < 3; ++i) REQUIRE(cudaGraphLaunch(exec, stream) == cudaSuccess);
    REQUIRE(cudaGraphExecDestroy(exec) == cudaSuccess);
    REQUIRE(cudaStreamSynchronize(stream) == cudaSuccess);
    CHECK(y.values()[0] == 22.0f);  // ((1 + 1) * 2 + 1) * 2 ...
    CHECK(z.values()[0] == 22.0f);
    CHECK(z.values()[1] == 27.0f);
  });
}

TEST_CASE("emulator: what a graph cannot record") {
  Scope scope;
  Stream stream, side;
  Event event(cudaEventDisableTiming);
  DeviceArray<float> y(std::vector<float>(n, 1.0f));
  cudaGraph_t graph = nullptr;
  auto begin = [&] { REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess); };

  begin();  // a call that waits makes the recording invalid
  CHECK(cudaStreamSynchronize(stream) == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureInvalidated);
  begin();
  void* memory = nullptr;
  CHECK(cudaMalloc(&memory, 16) == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureInvalidated);
  begin();  // unless the thread says that it knows
  auto mode = cudaStreamCaptureModeRelaxed;
  REQUIRE(cudaThreadExchangeStreamCaptureMode(&mode) == cudaSuccess);
  CHECK(cudaMalloc(&memory, 16) == cudaSuccess);
  REQUIRE(cudaThreadExchangeStreamCaptureMode(&mode) == cudaSuccess);
  REQUIRE(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
  REQUIRE(cudaGraphDestroy(graph) == cudaSuccess);
  REQUIRE(cudaFree(memory) == cudaSuccess);
  begin();  // a stream that never comes back
  REQUIRE(cudaEventRecord(event, stream) == cudaSuccess);
  REQUIRE(cudaStreamWaitEvent(side, event) == cudaSuccess);
  GPU_LAUNCH(add, 1, 128, 0, side, y.data(), 1.0f, n);
  CHECK(cudaEventQuery(event) == cudaErrorCapturedEvent);
  CHECK(cudaStreamEndCapture(side, &graph) == cudaErrorStreamCaptureUnmatched);
  CHECK(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureUnjoined);
  CHECK(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeGlobal) == cudaErrorStreamCaptureUnsupported);
  CHECK(y.values()[0] == 1.0f);
}

TEST_CASE("emulator: memory runs out, pointers are known") {
  Scope scope;
  emulator::settings().memory = emulator::counters().device_bytes + 4096;
  void *first = nullptr, *second = nullptr;
  REQUIRE(cudaMalloc(&first, 4000) == cudaSuccess);
  CHECK(reinterpret_cast<uintptr_t>(first) % 256 == 0);
  CHECK(cudaMalloc(&second, 4000) == cudaErrorMemoryAllocation);
  CHECK(second == nullptr);
  CHECK(cudaGetLastError() == cudaErrorMemoryAllocation);
  CHECK(cudaGetLastError() == cudaSuccess);
  cudaPointerAttributes attributes{};
  REQUIRE(cudaPointerGetAttributes(&attributes, static_cast<char*>(first) + 100) == cudaSuccess);
  CHECK(attributes.type == cudaMemoryTypeDevice);
  REQUIRE(cudaPointerGetAttributes(&attributes, &attributes) == cudaSuccess);
  CHECK(attributes.type == cudaMemoryTypeUnregistered);
  CHECK(cudaMemcpy(first, &attributes, 5000, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(cudaMemcpy(first, &attributes, 16, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
  CHECK(cudaFree(first) == cudaSuccess);
  CHECK(cudaFree(first) == cudaErrorInvalidValue);
}

TEST_CASE("emulator: launches that CUDA refuses, kernels that fail") {
  Scope scope;
  DeviceArray<float> y(std::vector<float>(n, 1.0f));
  GPU_LAUNCH(add, 1, 1025, 0, cudaStream_t{}, y.data(), 1.0f, n);
  CHECK(cudaGetLastError() == cudaErrorInvalidConfiguration);
  GPU_LAUNCH(add, 0, 32, 0, cudaStream_t{}, y.data(), 1.0f, n);
  CHECK(cudaGetLastError() == cudaErrorInvalidConfiguration);
  GPU_LAUNCH(add, 1, 32, 300 * 1024, cudaStream_t{}, y.data(), 1.0f, n);
  CHECK(cudaGetLastError() == cudaErrorInvalidValue);
  CHECK(y.values()[0] == 1.0f);
  GPU_LAUNCH(fails, 1, 1, 0, cudaStream_t{}, y.data());
  CHECK(cudaGetLastError() == cudaErrorLaunchFailure);
  CHECK(cudaDeviceSynchronize() == cudaErrorLaunchFailure);  // for good
  CHECK(cudaStreamSynchronize(nullptr) == cudaErrorLaunchFailure);
  emulator::reset();
  CHECK(cudaDeviceSynchronize() == cudaSuccess);
}

TEST_SUITE_END();

}  // namespace
