#pragma once
#include <atomic>
#include <chrono>
#include <thread>

#include "runtime.h"

// Streams, events and graphs.
namespace emulator {

/// Something a stream has to do, after other work.
struct Work {
  std::function<void()> run;
  std::vector<std::shared_ptr<Work>> after;
  bool done = false;
};
using WorkPointer = std::shared_ptr<Work>;

struct GraphNode {
  std::function<void()> run;
  std::vector<size_t> after;  // earlier nodes
};

/// A graph while streams record it.
struct Recording {
  std::vector<GraphNode> nodes;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  cudaStream_t origin = nullptr;
  std::thread::id thread;
  unsigned long long id = 0;
  bool valid = true;
};

}  // namespace emulator

struct CUstream_st {
  int device = 0;
  emulator::WorkPointer last;
  bool waits_for_legacy = true;
  std::shared_ptr<emulator::Recording> recording;
  std::vector<size_t> frontier;  // the nodes that the next one follows
};
struct CUevent_st {
  int device = 0;
  emulator::WorkPointer work;
  bool recorded = false, timed = true;
  std::shared_ptr<double> seconds = std::make_shared<double>(0);
  std::shared_ptr<emulator::Recording> recording;
  std::vector<size_t> frontier;
};
struct CUgraph_st {
  std::vector<emulator::GraphNode> nodes;
};
struct CUgraphExec_st {
  std::vector<emulator::GraphNode> nodes;
};

namespace emulator {
/// The stream behind a handle: null and cudaStreamLegacy are the current device's legacy stream.
CUstream_st* stream_of(cudaStream_t handle);
void run_work(const WorkPointer& work);
/// All streams that were made and not destroyed.
std::vector<cudaStream_t> live_streams();
}  // namespace emulator
