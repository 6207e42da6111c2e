// A build without CUDA: what fulmen/tensor/cuda.h promises, without a device.
#ifndef FULMEN_CUDA
#include <fulmen/kernels/kernel.h>
#include <fulmen/tensor/collectives.h>
#include <fulmen/tensor/device_memory.h>
#include <fulmen/tensor/error.h>

namespace fulmen::cuda {

namespace {
constexpr const char* remedy = "use the device cpu, or build with -DFULMEN_CUDA=ON";
[[noreturn]] void refuse() { throw Error("E018", why_not_available(), remedy); }
}  // namespace

std::string why_not_available() { return "this build of Fulmen has no CUDA"; }
bool is_available() { return false; }
int device_count() { return 0; }

Device exact(Device device) {
  if (device.is_cuda()) throw Error("E018", "there is no device " + device.str() + ": " + why_not_available(), remedy);
  return device;
}
DeviceProperties get_device_properties(int) { refuse(); }
int current_device() { refuse(); }
void set_device(int) { refuse(); }
void synchronize(int) { refuse(); }

DeviceGuard::DeviceGuard(Device device) : before_(-1) { exact(device); }
DeviceGuard::~DeviceGuard() = default;

Stream::Stream(int) { refuse(); }
void Stream::synchronize() const { refuse(); }
bool Stream::query() const { refuse(); }
void Stream::wait_stream(const Stream&) const { refuse(); }
Stream stream_of_handle(int, void*) { refuse(); }
Stream current_stream(int) { refuse(); }
void set_current_stream(const Stream&) { refuse(); }
Stream default_stream(int) { refuse(); }
Stream copy_stream(int) { refuse(); }
StreamGuard::StreamGuard(const Stream& stream) : before_(stream), device_before_(-1) { refuse(); }
StreamGuard::~StreamGuard() = default;

Event::Event(bool timing) : timing_(timing) { refuse(); }
Event::~Event() = default;
Event::Event(Event&& other) noexcept : timing_(other.timing_) {}
Event& Event::operator=(Event&&) noexcept { return *this; }
void Event::record(const Stream&) { refuse(); }
void Event::block(const Stream&) const { refuse(); }
bool Event::query() const { refuse(); }
void Event::synchronize() const { refuse(); }
float Event::elapsed_time(const Event&) const { refuse(); }

MemoryStats memory_stats(int) { return {}; }
int64_t memory_allocated(int) { return 0; }
int64_t max_memory_allocated(int) { return 0; }
int64_t memory_reserved(int) { return 0; }
int64_t max_memory_reserved(int) { return 0; }
void reset_peak_memory_stats(int) {}
void empty_cache() {}
void set_per_process_memory_fraction(double, int) { refuse(); }
void record_stream(const Tensor&, const Stream&) { refuse(); }

CUDAGraph::CUDAGraph() : impl_(nullptr) { refuse(); }
CUDAGraph::~CUDAGraph() = default;
void CUDAGraph::capture_begin() { refuse(); }
void CUDAGraph::capture_end() { refuse(); }
void CUDAGraph::capture_abandon() noexcept {}
void CUDAGraph::replay() { refuse(); }
void CUDAGraph::reset() {}
bool CUDAGraph::captured() const { return false; }
bool is_capturing() { return false; }

Communicator::Communicator(std::vector<int>) { refuse(); }
Communicator::~Communicator() = default;
void Communicator::all_reduce(TensorList, ReduceOp) const { refuse(); }
void Communicator::reduce(TensorList, ReduceOp, size_t) const { refuse(); }
void Communicator::broadcast(TensorList, size_t) const { refuse(); }
void Communicator::all_gather(TensorList, TensorList) const { refuse(); }
void Communicator::reduce_scatter(TensorList, TensorList, ReduceOp) const { refuse(); }
void Communicator::together(const AnyFunction<void()>&) const { refuse(); }

void set_nvtx(bool) {}
bool nvtx_enabled() { return false; }
NvtxRange::NvtxRange(const char*) : on_(false) {}
NvtxRange::~NvtxRange() = default;

void* launch_stream(int) { refuse(); }
DeviceMemory allocate(size_t, Device device) {
  exact(device);
  refuse();
}
DeviceMemory allocate_pinned(size_t) { refuse(); }
bool is_pinned(const Storage&) { return false; }
void copy_bytes(const Storage&, void*, const Storage&, const void*, size_t, bool) { refuse(); }
ThreadPlace::ThreadPlace() = default;
void ThreadPlace::take() const {}
OutsideGraph::OutsideGraph() : pool_(nullptr) {}
OutsideGraph::~OutsideGraph() { (void)pool_; }
void on_replay(AnyFunction<void()>) { refuse(); }

}  // namespace fulmen::cuda
#endif
