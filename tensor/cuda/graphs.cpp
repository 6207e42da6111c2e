#include <fulmen/tensor/cuda/allocator.h>
#include <fulmen/tensor/cuda/check.h>
#include <fulmen/tensor/cuda/graphs.h>
#include <fulmen/tensor/device_memory.h>
#include <fulmen/tensor/error.h>
#include <fulmen/tensor/generator.h>

namespace fulmen::cuda {

struct CUDAGraph::Impl {
  int device = -1;
  void* stream = nullptr;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  GraphPool* pool = nullptr;
  /// {seed, offset} of the random numbers of the next replay, in device memory, and how many words a replay uses.
  Block* random_place = nullptr;
  uint64_t random_words = 0;
  std::vector<PinnedBlock*> uploads;  ///< host memory that the recorded work reads
  std::vector<AnyFunction<void()>> before_replay;

  Generator& generator() const { return default_generator(Device(kCUDA, static_cast<DeviceIndex>(device))); }
};

namespace {
thread_local constinit CUDAGraph::Impl* capturing = nullptr;
}  // namespace

bool is_capturing() { return capturing != nullptr; }

bool keep_for_graph(PinnedBlock* block) {
  if (!capturing) return false;
  capturing->uploads.push_back(block);
  return true;
}

OutsideGraph::OutsideGraph() : pool_(CachingAllocator::use_pool(nullptr)) {}
OutsideGraph::~OutsideGraph() { CachingAllocator::use_pool(static_cast<GraphPool*>(pool_)); }

void on_replay(AnyFunction<void()> hook) {
  FULMEN_CHECK(capturing, "on_replay: no graph is captured");
  capturing->before_replay.push_back(std::move(hook));
}

CUDAGraph::CUDAGraph() : impl_(new Impl) {}
CUDAGraph::~CUDAGraph() {
  try {
    reset();
  } catch (const Error&) {
    // A context that is lost, or a program that is ending.
  }
  delete impl_;
}

bool CUDAGraph::captured() const { return impl_->executable != nullptr; }

void CUDAGraph::capture_begin() {
  Impl& g = *impl_;
  FULMEN_CHECK(!capturing, "capture_begin: this thread captures another graph");
  FULMEN_CHECK(!g.pool, "capture_begin: this graph holds a capture; reset() it first");
  g.device = current_device();
  g.stream = launch_stream(g.device);
  g.pool = new GraphPool;
  g.random_place = allocator_of(g.device).allocate(2 * sizeof(uint64_t), static_cast<cudaStream_t>(g.stream));
  g.generator()->count_from(reinterpret_cast<const uint64_t*>(g.random_place->data));
  CachingAllocator::use_pool(g.pool);
  capturing = impl_;
  try {
    FULMEN_CUDA_TRY(cudaStreamBeginCapture(static_cast<cudaStream_t>(g.stream), cudaStreamCaptureModeThreadLocal));
  } catch (...) {
    capture_abandon();
    throw;
  }
}

void CUDAGraph::capture_end() {
  Impl& g = *impl_;
  FULMEN_CHECK(capturing == impl_, "capture_end: this graph is not being captured by this thread");
  try {
    FULMEN_CUDA_TRY(cudaStreamEndCapture(static_cast<cudaStream_t>(g.stream), &g.graph));
    FULMEN_CHECK(g.graph,
                 "capture_end: nothing was captured, because an operation that cannot be recorded ran meanwhile");
    FULMEN_CUDA_TRY(cudaGraphInstantiate(&g.executable, g.graph, 0));
  } catch (...) {
    capture_abandon();
    throw;
  }
  capturing = nullptr;
  CachingAllocator::use_pool(nullptr);
  g.random_words = g.generator()->count_from(nullptr);
}

void CUDAGraph::capture_abandon() noexcept {
  Impl& g = *impl_;
  if (capturing == impl_) {
    capturing = nullptr;
    CachingAllocator::use_pool(nullptr);
    if (!g.graph) ignore(cudaStreamEndCapture(static_cast<cudaStream_t>(g.stream), &g.graph));
    (void)cudaGetLastError();
    g.generator()->count_from(nullptr);
  }
  reset();
}

void CUDAGraph::replay() {
  Impl& g = *impl_;
  FULMEN_CHECK(g.executable, "replay: this graph has not been captured; call capture_begin() and capture_end() first");
  require_no_capture("replay");
  const OnDevice guard(g.device);
  const Stream stream = current_stream(g.device);
  if (g.random_words > 0) {
    Generator& generator = g.generator();
    const uint64_t place[] = {generator.current_seed(), generator->philox_offset()};
    upload(g.random_place->data, place, sizeof place, stream);
    generator->set_philox_offset(place[1] + g.random_words);
  }
  for (const AnyFunction<void()>& hook : g.before_replay) hook();
  FULMEN_CUDA_TRY(cudaGraphLaunch(g.executable, static_cast<cudaStream_t>(stream.handle())));
}

void CUDAGraph::reset() {
  Impl& g = *impl_;
  if (!g.pool) return;
  FULMEN_CHECK(capturing != impl_, "reset: this graph is being captured");
  // What it recorded may be running.
  ignore(cudaStreamSynchronize(static_cast<cudaStream_t>(g.stream)));
  ignore(cudaStreamSynchronize(static_cast<cudaStream_t>(launch_stream(g.device))));
  if (g.executable) ignore(cudaGraphExecDestroy(g.executable));
  if (g.graph) ignore(cudaGraphDestroy(g.graph));
  g.before_replay.clear();
  for (PinnedBlock* block : g.uploads) give_pinned(block);
  allocator_of(g.device).free(g.random_place);
  allocator_of(g.device).release_pool(g.pool);
  *impl_ = Impl{};
}

}  // namespace fulmen::cuda
