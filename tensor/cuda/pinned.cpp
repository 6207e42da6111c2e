#include <fulmen/tensor/cuda/check.h>
#include <fulmen/tensor/cuda/pinned.h>
#include <fulmen/tensor/error.h>

#include <algorithm>
#include <array>
#include <bit>
#include <mutex>
#include <utility>

namespace fulmen::cuda {

namespace {

constexpr size_t least = 512;

/// A freed block and what has to be reached before it is used again.
struct Resting {
  PinnedBlock* block;
  std::vector<Event> marks;
};
struct PinnedCache {
  std::mutex mutex;
  std::array<std::vector<PinnedBlock*>, 64> free;  // by the logarithm of their size
  std::vector<Resting> resting;
  std::vector<PinnedBlock*> waiting_for_capture;  // freed on a thread that could not record events

  void rest(PinnedBlock* block) {
    std::vector<Event> marks;
    for (const Stream& stream : block->streams) marks.emplace_back().record(stream);
    block->streams.clear();
    resting.push_back({block, std::move(marks)});
  }
  void collect() {
    for (PinnedBlock* block : std::exchange(waiting_for_capture, {})) rest(block);
    std::erase_if(resting, [this](Resting& r) {
      if (!std::all_of(r.marks.begin(), r.marks.end(), [](const Event& e) { return e.query(); })) return false;
      keep(r.block);
      return true;
    });
  }
  void keep(PinnedBlock* block) { free[std::bit_width(block->size) - 1].push_back(block); }
};
PinnedCache& cache() {
  static auto* all = new PinnedCache;
  return *all;
}

}  // namespace

PinnedBlock* take_pinned(size_t bytes) {
  const size_t size = std::bit_ceil(std::max(bytes, least));
  PinnedCache& all = cache();
  std::lock_guard lock(all.mutex);
  if (!is_capturing()) all.collect();
  std::vector<PinnedBlock*>& fitting = all.free[std::bit_width(size) - 1];
  if (!fitting.empty()) {
    PinnedBlock* block = fitting.back();
    fitting.pop_back();
    return block;
  }
  cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
  FULMEN_CUDA_TRY(cudaThreadExchangeStreamCaptureMode(&mode));
  void* data = nullptr;
  const cudaError_t result = cudaHostAlloc(&data, size, cudaHostAllocPortable);
  FULMEN_CUDA_TRY(cudaThreadExchangeStreamCaptureMode(&mode));
  FULMEN_CUDA_TRY(result);
  return new PinnedBlock{data, size, {}};
}

void give_pinned(PinnedBlock* block) noexcept {
  PinnedCache& all = cache();
  std::lock_guard lock(all.mutex);
  try {
    if (block->streams.empty()) {
      all.keep(block);
    } else if (is_capturing()) {
      all.waiting_for_capture.push_back(block);
    } else {
      all.rest(block);
    }
  } catch (const Error&) {
    // A context that is lost, or a program that is ending: nobody will want the block again.
  }
}

void use_pinned(PinnedBlock* block, const Stream& stream) {
  std::lock_guard lock(cache().mutex);
  if (std::find(block->streams.begin(), block->streams.end(), stream) == block->streams.end()) {
    block->streams.push_back(stream);
  }
}

}  // namespace fulmen::cuda
