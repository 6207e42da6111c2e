#include "runtime_stream.h"

#include <emulator/control.h>

#include <algorithm>
#include <array>
#include <set>

// A stream is a chain of work. Eager streams run work when it is added; lazy ones when something waits for it, which
// makes a missing synchronization visible as a wrong value.
namespace emulator {
namespace {

std::array<CUstream_st, most_devices> legacy_streams = [] {
  std::array<CUstream_st, most_devices> all;
  for (int i = 0; i < most_devices; ++i) all[static_cast<size_t>(i)].device = i;
  return all;
}();
std::set<cudaStream_t> streams;
std::vector<WorkPointer> pending;  // of random streams
uint64_t random_state = 88172645463325252u;

uint64_t random_number() {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  return random_state ^= random_state << 17;
}

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

CUstream_st& legacy_of(int device) { return legacy_streams[static_cast<size_t>(device)]; }
bool is_legacy(const CUstream_st* stream) { return stream == &legacy_of(stream->device); }

/// Work that must come before anything new in `stream`.
std::vector<WorkPointer> predecessors(const CUstream_st* stream) {
  std::vector<WorkPointer> found;
  auto add = [&](const WorkPointer& work) {
    if (work && !work->done) found.push_back(work);
  };
  add(stream->last);
  if (is_legacy(stream)) {
    for (cudaStream_t other : streams) {
      if (other->waits_for_legacy && other->device == stream->device) add(other->last);
    }
  } else if (stream->waits_for_legacy) {
    add(legacy_of(stream->device).last);
  }
  return found;
}

void run_some_pending() {
  while (random_number() % 2 == 0 && !pending.empty()) run_work(pending[random_number() % pending.size()]);
  std::erase_if(pending, [](const WorkPointer& work) { return work->done; });
}

/// Now, or not yet.
void begin_work(const WorkPointer& work) {
  if (settings().streams == Streams::eager) {
    run_work(work);
  } else if (settings().streams == Streams::random) {
    pending.push_back(work);
    run_some_pending();
  }
}

void record(CUstream_st* stream, std::function<void()> work) {
  auto& nodes = stream->recording->nodes;
  nodes.push_back({std::move(work), stream->frontier});
  stream->frontier = {nodes.size() - 1};
}

cudaError_t new_stream(cudaStream_t* stream, unsigned flags) {
  if (stream == nullptr || (flags & ~1u) != 0) return result(cudaErrorInvalidValue);
  *stream = new CUstream_st;
  (*stream)->device = current_device();
  (*stream)->waits_for_legacy = (flags & cudaStreamNonBlocking) == 0;
  streams.insert(*stream);
  return result(cudaSuccess);
}

}  // namespace

CUstream_st* stream_of(cudaStream_t handle) {
  const bool legacy = handle == nullptr || handle == cudaStreamLegacy || handle == cudaStreamPerThread;
  return legacy ? &legacy_of(current_device()) : handle;
}
bool valid_stream(cudaStream_t stream) {
  const auto first = legacy_streams.begin(), last = legacy_streams.end();
  const CUstream_st* found = stream_of(stream);
  return streams.count(stream) != 0 || std::any_of(first, last, [&](const auto& legacy) { return &legacy == found; });
}
int device_of(cudaStream_t stream) { return stream_of(stream)->device; }
bool is_recording(cudaStream_t stream) { return stream_of(stream)->recording != nullptr; }
std::vector<cudaStream_t> live_streams() { return {streams.begin(), streams.end()}; }

void run_work(const WorkPointer& work) {
  std::vector<WorkPointer> stack{work};  // dependencies first; chains may be long
  while (!stack.empty()) {
    WorkPointer top = stack.back();
    bool ready = true;
    for (const WorkPointer& before : top->after) {
      if (before->done) continue;
      stack.push_back(before);
      ready = false;
    }
    if (!ready && !top->done) continue;
    stack.pop_back();
    if (top->done) continue;
    top->done = true;
    top->after.clear();
    std::function<void()> run = std::move(top->run);
    if (run && sticky_error() == cudaSuccess) run();
  }
}

cudaError_t enqueue(cudaStream_t handle, std::function<void()> run) {
  if (!valid_stream(handle)) return result(cudaErrorInvalidResourceHandle);
  CUstream_st* stream = stream_of(handle);
  if (stream->recording != nullptr) {
    record(stream, std::move(run));
    return result(cudaSuccess);
  }
  if (is_legacy(stream)) {
    for (cudaStream_t other : streams) {
      const bool disturbed = other->recording != nullptr && other->waits_for_legacy && other->device == stream->device;
      if (disturbed) return result(cudaErrorStreamCaptureImplicit);
    }
  }
  auto work = std::make_shared<Work>();
  work->run = std::move(run);
  work->after = predecessors(stream);
  stream->last = work;
  begin_work(work);
  return result(cudaSuccess);
}

void enqueue_across(const std::vector<cudaStream_t>& all, std::function<void()> run) {
  auto work = std::make_shared<Work>();
  work->run = std::move(run);
  for (cudaStream_t handle : all) {
    const std::vector<WorkPointer> before = predecessors(stream_of(handle));
    work->after.insert(work->after.end(), before.begin(), before.end());
  }
  for (cudaStream_t handle : all) stream_of(handle)->last = work;
  begin_work(work);
}

void finish_stream(cudaStream_t handle) {
  if (WorkPointer last = stream_of(handle)->last) run_work(last);
}
void finish_device(int device) {
  finish_stream(&legacy_of(device));
  for (cudaStream_t stream : streams) {
    if (stream->device == device) finish_stream(stream);
  }
}
void finish_all_streams() {
  for (int device = 0; device < most_devices; ++device) finish_device(device);
  pending.clear();
}

}  // namespace emulator

using namespace emulator;

extern "C" {

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  std::lock_guard lock(runtime_mutex());
  return new_stream(stream, flags);
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
  return cudaStreamCreateWithFlags(stream, flags);
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  std::lock_guard lock(runtime_mutex());
  if (!valid_stream(stream) || is_legacy(stream_of(stream))) return result(cudaErrorInvalidResourceHandle);
  finish_stream(stream);
  streams.erase(stream);
  delete stream;
  return result(cudaSuccess);
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  std::lock_guard lock(runtime_mutex());
  if (!valid_stream(stream)) return result(cudaErrorInvalidResourceHandle);
  if (auto& recording = stream_of(stream)->recording) {
    recording->valid = false;
    return result(cudaErrorStreamCaptureUnsupported);
  }
  finish_stream(stream);
  return result(cudaSuccess);
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  std::lock_guard lock(runtime_mutex());
  if (!valid_stream(stream)) return result(cudaErrorInvalidResourceHandle);
  if (stream_of(stream)->recording) return result(cudaErrorStreamCaptureUnsupported);
  const WorkPointer& last = stream_of(stream)->last;
  if (last && !last->done) {
    run_some_pending();
    return cudaErrorNotReady;
  }
  return result(cudaSuccess);
}
cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned) {
  std::lock_guard lock(runtime_mutex());
  if (!valid_stream(handle) || event == nullptr) return result(cudaErrorInvalidResourceHandle);
  CUstream_st* stream = stream_of(handle);
  if (event->recording != nullptr) {
    if (stream->recording != nullptr && stream->recording != event->recording) {
      return result(cudaErrorStreamCaptureMerge);
    }
    if (stream->recording == nullptr) stream->frontier.clear();
    stream->recording = event->recording;
    stream->frontier.insert(stream->frontier.end(), event->frontier.begin(), event->frontier.end());
    return result(cudaSuccess);
  }
  if (stream->recording != nullptr) {
    return result(event->recorded && event->work && !event->work->done ? cudaErrorStreamCaptureIsolation : cudaSuccess);
  }
  if (event->work && !event->work->done) {
    auto wait = std::make_shared<Work>();
    wait->after = predecessors(stream);
    wait->after.push_back(event->work);
    stream->last = wait;
  }
  return result(cudaSuccess);
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  std::lock_guard lock(runtime_mutex());
  return enqueue(stream, [=] { function(data); });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  std::lock_guard lock(runtime_mutex());
  if (event == nullptr) return result(cudaErrorInvalidValue);
  *event = new CUevent_st;
  (*event)->device = current_device();
  (*event)->timed = (flags & cudaEventDisableTiming) == 0;
  return result(cudaSuccess);
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  std::lock_guard lock(runtime_mutex());
  if (event == nullptr) return result(cudaErrorInvalidResourceHandle);
  delete event;
  return result(cudaSuccess);
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  std::lock_guard lock(runtime_mutex());
  if (!valid_stream(handle) || event == nullptr) return result(cudaErrorInvalidResourceHandle);
  CUstream_st* stream = stream_of(handle);
  if (stream->device != event->device) return result(cudaErrorInvalidResourceHandle);
  event->recorded = true;
  event->recording = stream->recording;
  event->frontier = stream->frontier;
  event->work = nullptr;
  if (stream->recording != nullptr) return result(cudaSuccess);
  auto seconds = event->seconds = std::make_shared<double>(0);
  cudaError_t error = enqueue(handle, [seconds] { *seconds = now(); });
  event->work = stream->last;
  return error;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  std::lock_guard lock(runtime_mutex());
  if (event == nullptr) return result(cudaErrorInvalidResourceHandle);
  if (event->recording != nullptr) return result(cudaErrorCapturedEvent);
  if (event->work) run_work(event->work);
  return result(cudaSuccess);
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  std::lock_guard lock(runtime_mutex());
  if (event == nullptr) return result(cudaErrorInvalidResourceHandle);
  if (event->recording != nullptr) return result(cudaErrorCapturedEvent);
  if (event->work && !event->work->done) {
    run_some_pending();
    return cudaErrorNotReady;
  }
  return result(cudaSuccess);
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  std::lock_guard lock(runtime_mutex());
  if (milliseconds == nullptr) return result(cudaErrorInvalidValue);
  if (!start || !end || !start->recorded || !end->recorded || !start->timed || !end->timed ||
      start->device != end->device) {
    return result(cudaErrorInvalidResourceHandle);
  }
  if ((start->work && !start->work->done) || (end->work && !end->work->done)) return cudaErrorNotReady;
  *milliseconds = static_cast<float>((*end->seconds - *start->seconds) * 1e3);
  return result(cudaSuccess);
}

}  // extern "C"
