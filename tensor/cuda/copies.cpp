// Bytes between host and devices.
#include <cuda_runtime_api.h>
#include <fulmen/kernels/cuda.h>
#include <fulmen/tensor/cuda/check.h>
#include <fulmen/tensor/cuda/faults.h>
#include <fulmen/tensor/cuda/graphs.h>
#include <fulmen/tensor/cuda/memory.h>
#include <fulmen/tensor/device_memory.h>

#include <cstring>

namespace fulmen::cuda {

namespace {

/// Up to this size a copy from ordinary memory goes through locked memory, so that nobody waits for it.
constexpr size_t staging_limit = size_t{4} << 20;

void enqueue(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, const Stream& stream) {
  const OnDevice guard(stream.device());
  FULMEN_CUDA_TRY(cudaMemcpyAsync(to, from, bytes, kind, static_cast<cudaStream_t>(stream.handle())));
}

void to_device(void* to, const void* from, size_t bytes, PinnedBlock* pinned, const Stream& stream, bool non_blocking) {
  if (pinned) {
    use_pinned(pinned, stream);
    enqueue(to, from, bytes, cudaMemcpyHostToDevice, stream);
    if (!non_blocking) stream.synchronize();
  } else if (bytes <= staging_limit) {
    upload(to, from, bytes, stream);
  } else {
    require_no_capture("copy from memory that is not locked");
    enqueue(to, from, bytes, cudaMemcpyHostToDevice, stream);
    stream.synchronize();
  }
}

void to_host(void* to, const void* from, size_t bytes, PinnedBlock* pinned, const Stream& stream, bool non_blocking) {
  if (!pinned || !non_blocking) require_no_capture("copy to the CPU (item(), cpu(), printing)");
  if (pinned) use_pinned(pinned, stream);
  enqueue(to, from, bytes, cudaMemcpyDeviceToHost, stream);
  if (!pinned || !non_blocking) stream.synchronize();
}

void between(void* to, const Stream& to_stream, const void* from, const Stream& from_stream, size_t bytes) {
  from_stream.wait_stream(to_stream);  // what still uses the target
  if (to_stream.device() == from_stream.device()) {
    enqueue(to, from, bytes, cudaMemcpyDeviceToDevice, from_stream);
  } else {
    const OnDevice guard(from_stream.device());
    FULMEN_CUDA_TRY(cudaMemcpyPeerAsync(to, to_stream.device(), from, from_stream.device(), bytes,
                                        static_cast<cudaStream_t>(from_stream.handle())));
  }
  to_stream.wait_stream(from_stream);
}

}  // namespace

void upload(void* to, const void* from, size_t bytes, const Stream& stream) {
  if (bytes == 0) return;
  PinnedBlock* staged = take_pinned(bytes);
  std::memcpy(staged->data, from, bytes);
  // A graph reads the staged bytes again in every replay.
  const bool kept = keep_for_graph(staged);
  if (!kept) use_pinned(staged, stream);
  try {
    enqueue(to, staged->data, bytes, cudaMemcpyHostToDevice, stream);
  } catch (...) {
    if (!kept) give_pinned(staged);
    throw;
  }
  if (!kept) give_pinned(staged);
}

void upload(const Launch& launch, void* to, const void* from, size_t bytes) {
  upload(to, from, bytes, stream_of_handle(launch.device(), launch.stream()));
}

void copy_bytes(const Storage& to, void* to_data, const Storage& from, const void* from_data, size_t bytes,
                bool non_blocking) {
  if (bytes == 0) return;
  const Device target = to->device, source = from->device;
  if (target.is_cpu() && source.is_cpu()) {
    std::memcpy(to_data, from_data, bytes);
  } else if (source.is_cpu()) {
    to_device(to_data, from_data, bytes, pinned_block(from), current_stream(target.index()), non_blocking);
  } else if (target.is_cpu()) {
    to_host(to_data, from_data, bytes, pinned_block(to), current_stream(source.index()), non_blocking);
  } else {
    between(to_data, current_stream(target.index()), from_data, current_stream(source.index()), bytes);
  }
}

}  // namespace fulmen::cuda
