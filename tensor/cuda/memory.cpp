// Memory as storages and programs see it: the caching allocators behind fulmen/tensor/cuda.h.
#include <fulmen/tensor/cuda/check.h>
#include <fulmen/tensor/cuda/devices.h>
#include <fulmen/tensor/cuda/memory.h>
#include <fulmen/tensor/device_memory.h>
#include <fulmen/tensor/error.h>
#include <fulmen/tensor/tensor.h>

namespace fulmen::cuda {

DeviceMemory allocate(size_t nbytes, Device device) {
  const int number = device.index();
  Block* block = allocator_of(number).allocate(nbytes, static_cast<cudaStream_t>(launch_stream(number)));
  return {block->data, new BlockOwner(block, number)};
}

DeviceMemory allocate_pinned(size_t nbytes) {
  FULMEN_CHECK(is_available(), "cannot pin memory: ", why_not_available());
  PinnedBlock* block = take_pinned(nbytes);
  return {block->data, new PinnedOwner(block)};
}

PinnedBlock* pinned_block(const Storage& storage) {
  MemoryOwner* owner = storage->owner;
  if (!owner || !storage->device.is_cpu()) return nullptr;
  auto* pinned = dynamic_cast<PinnedOwner*>(owner->root());
  return pinned ? pinned->block : nullptr;
}
bool is_pinned(const Storage& storage) { return pinned_block(storage) != nullptr; }

void record_stream(const Tensor& tensor, const Stream& stream) {
  MemoryOwner* owner = tensor.storage()->owner;
  if (!owner) return;
  if (auto* device = dynamic_cast<BlockOwner*>(owner->root())) {
    allocator_of(device->device).record_stream(device->block, stream);
  } else if (PinnedBlock* pinned = pinned_block(tensor.storage())) {
    use_pinned(pinned, stream);
  }
}

namespace {
/// Statistics of a device that nobody used yet must not start the driver.
bool nothing_yet() { return !is_available(); }
}  // namespace

MemoryStats memory_stats(int device) {
  return nothing_yet() ? MemoryStats{} : allocator_of(known_device(device)).stats();
}
int64_t memory_allocated(int device) { return memory_stats(device).allocated_bytes.current; }
int64_t max_memory_allocated(int device) { return memory_stats(device).allocated_bytes.peak; }
int64_t memory_reserved(int device) { return memory_stats(device).reserved_bytes.current; }
int64_t max_memory_reserved(int device) { return memory_stats(device).reserved_bytes.peak; }
void reset_peak_memory_stats(int device) {
  if (!nothing_yet()) allocator_of(known_device(device)).reset_peaks();
}
void empty_cache() {
  for (int device = 0; device < device_count(); ++device) allocator_of(device).empty_cache();
}
void set_per_process_memory_fraction(double fraction, int device) {
  allocator_of(known_device(device)).set_fraction(fraction);
}

}  // namespace fulmen::cuda
