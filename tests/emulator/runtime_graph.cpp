#include <emulator/control.h>

#include <algorithm>

#include "runtime_stream.h"

// Graphs recorded from streams. Nodes know what they follow, so that random streams may run independent nodes in any
// order.
namespace emulator {
namespace {

std::vector<std::shared_ptr<Recording>> recordings;
thread_local cudaStreamCaptureMode thread_mode = cudaStreamCaptureModeGlobal;
unsigned long long next_id = 1;

/// True if every node is among those that `frontier` follows.
bool reaches_all(const std::vector<GraphNode>& nodes, std::vector<size_t> frontier) {
  std::vector<bool> seen(nodes.size(), false);
  size_t count = 0;
  while (!frontier.empty()) {
    size_t node = frontier.back();
    frontier.pop_back();
    if (seen[node]) continue;
    seen[node] = true;
    ++count;
    frontier.insert(frontier.end(), nodes[node].after.begin(), nodes[node].after.end());
  }
  return count == nodes.size();
}

/// An order of the nodes that respects what each follows: as recorded, or random.
std::vector<size_t> running_order(const std::vector<GraphNode>& nodes, uint64_t random_state) {
  std::vector<size_t> order;
  std::vector<bool> done(nodes.size(), false);
  while (order.size() < nodes.size()) {
    std::vector<size_t> ready;
    for (size_t i = 0; i < nodes.size(); ++i) {
      const auto& after = nodes[i].after;
      if (!done[i] && std::all_of(after.begin(), after.end(), [&](size_t before) { return done[before]; })) {
        ready.push_back(i);
      }
    }
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    size_t next = ready[(random_state >> 33) % ready.size()];
    done[next] = true;
    order.push_back(next);
  }
  return order;
}

}  // namespace

cudaError_t unless_recording() {
  if (thread_mode == cudaStreamCaptureModeRelaxed) return cudaSuccess;
  for (auto& recording : recordings) {
    bool own = recording->thread == std::this_thread::get_id();
    bool concerns = recording->mode == cudaStreamCaptureModeThreadLocal ? own
                    : recording->mode == cudaStreamCaptureModeGlobal ? own || thread_mode == cudaStreamCaptureModeGlobal
                                                                     : false;
    if (!concerns) continue;
    recording->valid = false;
    return result(cudaErrorStreamCaptureUnsupported);
  }
  return cudaSuccess;
}

}  // namespace emulator

using namespace emulator;

extern "C" {

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  std::lock_guard lock(runtime_mutex());
  if (!valid_stream(stream)) return result(cudaErrorInvalidResourceHandle);
  if (stream_of(stream) != stream) return result(cudaErrorStreamCaptureUnsupported);  // not on the legacy stream
  if (stream->recording != nullptr) return result(cudaErrorInvalidValue);
  auto recording = std::make_shared<Recording>();
  recording->mode = mode;
  recording->origin = stream;
  recording->thread = std::this_thread::get_id();
  recording->id = next_id++;
  recordings.push_back(recording);
  stream->recording = recording;
  stream->frontier.clear();
  return result(cudaSuccess);
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  std::lock_guard lock(runtime_mutex());
  if (graph == nullptr || !valid_stream(stream)) return result(cudaErrorInvalidValue);
  auto recording = stream_of(stream)->recording;
  if (recording == nullptr) return result(cudaErrorInvalidValue);
  if (recording->origin != stream) return result(cudaErrorStreamCaptureUnmatched);
  if (recording->mode != cudaStreamCaptureModeRelaxed && recording->thread != std::this_thread::get_id()) {
    return result(cudaErrorStreamCaptureWrongThread);
  }
  *graph = nullptr;
  bool joined = reaches_all(recording->nodes, stream->frontier);
  for (cudaStream_t other : live_streams()) {
    if (other->recording == recording) other->recording = nullptr;
  }
  std::erase(recordings, recording);
  if (!recording->valid) return result(cudaErrorStreamCaptureInvalidated);
  if (!joined) return result(cudaErrorStreamCaptureUnjoined);
  *graph = new CUgraph_st{std::move(recording->nodes)};
  return result(cudaSuccess);
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  return cudaStreamGetCaptureInfo(stream, status);
}
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, cudaStreamCaptureStatus* status, unsigned long long* id,
                                     cudaGraph_t* graph, const cudaGraphNode_t** dependencies,
                                     const cudaGraphEdgeData** edges, size_t* count) {
  std::lock_guard lock(runtime_mutex());
  if (status == nullptr || !valid_stream(stream)) return result(cudaErrorInvalidValue);
  if (graph || dependencies || edges || count) return result(cudaErrorNotSupported);
  const auto& recording = stream_of(stream)->recording;
  *status = recording == nullptr ? cudaStreamCaptureStatusNone
            : recording->valid   ? cudaStreamCaptureStatusActive
                                 : cudaStreamCaptureStatusInvalidated;
  if (id != nullptr && recording != nullptr) *id = recording->id;
  return result(cudaSuccess);
}
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  if (mode == nullptr) return result(cudaErrorInvalidValue);
  std::swap(*mode, thread_mode);
  return result(cudaSuccess);
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  std::lock_guard lock(runtime_mutex());
  if (exec == nullptr || graph == nullptr) return result(cudaErrorInvalidValue);
  *exec = new CUgraphExec_st{graph->nodes};
  return result(cudaSuccess);
}
cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t) {
  return result(exec == nullptr ? cudaErrorInvalidValue : cudaSuccess);
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  std::lock_guard lock(runtime_mutex());
  if (exec == nullptr) return result(cudaErrorInvalidValue);
  static uint64_t launches = 0;
  auto nodes = exec->nodes;  // a copy: the graph may be destroyed before lazy work runs
  bool shuffled = settings().streams == Streams::random;
  uint64_t seed = settings().seed + launches++;
  return enqueue(stream, [nodes, shuffled, seed] {
    std::vector<size_t> order;
    if (shuffled) order = running_order(nodes, seed);
    for (size_t i = 0; i < nodes.size() && sticky_error() == cudaSuccess; ++i) nodes[shuffled ? order[i] : i].run();
  });
}
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  std::lock_guard lock(runtime_mutex());
  if (graph == nullptr || count == nullptr) return result(cudaErrorInvalidValue);
  if (nodes != nullptr) return result(cudaErrorNotSupported);
  *count = graph->nodes.size();
  return result(cudaSuccess);
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete exec;
  return result(cudaSuccess);
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return result(cudaSuccess);
}

}  // extern "C"
