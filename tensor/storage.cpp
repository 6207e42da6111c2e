#include <fulmen/tensor/allocator.h>
#include <fulmen/tensor/device_memory.h>
#include <fulmen/tensor/error.h>
#include <fulmen/tensor/fence.h>
#include <fulmen/tensor/storage.h>

#include <atomic>
#include <cstring>
#include <new>

namespace fulmen {

namespace {

// Small data lies behind its header in one block: one allocation instead of two. A build without pool keeps them apart,
// so that AddressSanitizer sees both ends of the data.
constexpr size_t header_bytes = 64;
static_assert(sizeof(StorageImpl) <= header_bytes);
#ifdef FULMEN_NO_POOL
constexpr bool join_small = false;
#else
constexpr bool join_small = true;
#endif
constexpr size_t joined_limit = 960;

bool is_joined(const StorageImpl& s) { return s.data == reinterpret_cast<const char*>(&s) + header_bytes; }

// What an alias holds: the storage whose memory it shows.
struct SharedOwner final : MemoryOwner {
  explicit SharedOwner(const Storage& s) : source(s) {}
  MemoryOwner* root() override { return source->owner ? source->owner->root() : this; }
  Storage source;
};

// Memory that a resized storage left behind because an alias still shows it.
struct RetiredMemory final : MemoryOwner {
  RetiredMemory(void* d, size_t n, MemoryOwner* o) : data(d), bytes(n), older(o) {}
  ~RetiredMemory() override {
    free_memory(data, bytes);
    delete older;
  }
  void* data;
  size_t bytes;
  MemoryOwner* older;
};

// The same where the memory's owner frees it.
struct BothOwners final : MemoryOwner {
  BothOwners(MemoryOwner* a, MemoryOwner* b) : first(a), second(b) {}
  ~BothOwners() override {
    delete first;
    delete second;
  }
  MemoryOwner *first, *second;
};

std::atomic<int> fences{0};
std::atomic<int64_t> damaged_fences{0};
constexpr size_t fence_bytes = 64;
constexpr char fence_byte = '\xa5';

// Memory with a fence before and behind.
struct Fenced final : MemoryOwner {
  explicit Fenced(size_t n) : bytes(n), block(static_cast<char*>(allocate_memory(n + 2 * fence_bytes))) {
    std::memset(block, fence_byte, bytes + 2 * fence_bytes);
  }
  ~Fenced() override {
    bool whole = true;
    for (size_t i = 0; i < fence_bytes; ++i) {
      whole = whole && block[i] == fence_byte && block[fence_bytes + bytes + i] == fence_byte;
    }
    if (!whole) ++damaged_fences;
    free_memory(block, bytes + 2 * fence_bytes);
  }
  size_t bytes;
  char* block;
};

}  // namespace

StorageImpl* Storage::make_header(void* data, size_t nbytes, Device device) {
  auto* impl = new (allocate_memory(header_bytes)) StorageImpl;
  impl->data = data;
  impl->nbytes = nbytes;
  impl->device = device;
  impl->block_bytes = header_bytes;
  return impl;
}

Storage Storage::allocate(size_t nbytes, Device device) {
  if (!device.is_cpu()) [[unlikely]]
    return allocate_elsewhere(nbytes, device);
  device = kCPU;  // cpu:0 is the same place
  if (fences.load(std::memory_order_relaxed) > 0) [[unlikely]] {
    auto* fenced = new Fenced(nbytes);
    return borrow(fenced->block + fence_bytes, nbytes, device, fenced);
  }
  if (join_small && nbytes <= joined_limit) {
    auto* block = static_cast<char*>(allocate_memory(header_bytes + nbytes));
    auto* impl = new (block) StorageImpl;
    impl->data = block + header_bytes;
    impl->nbytes = nbytes;
    impl->device = device;
    impl->block_bytes = header_bytes + nbytes;
    return Storage(impl);
  }
  const size_t capacity = nbytes > 0 ? nbytes : 1;
  StorageImpl* impl = make_header(allocate_memory(capacity), nbytes, device);
  impl->capacity = capacity;
  return Storage(impl);
}

Storage Storage::allocate_elsewhere(size_t nbytes, Device device) {
  FULMEN_CHECK(device.is_cuda(), "cannot allocate on ", device, ": tensors live on cpu or cuda");
  const Device exact = cuda::exact(device);
  const cuda::DeviceMemory memory = cuda::allocate(nbytes, exact);
  Storage storage = borrow(memory.data, nbytes, exact, memory.owner);
  storage->own = true;
  return storage;
}

Storage Storage::allocate_pinned(size_t nbytes) {
  const cuda::DeviceMemory memory = cuda::allocate_pinned(nbytes);
  Storage storage = borrow(memory.data, nbytes, kCPU, memory.owner);
  storage->own = true;
  return storage;
}

bool Storage::is_pinned() const { return impl_->device.is_cpu() && impl_->owner && cuda::is_pinned(*this); }

Storage Storage::borrow(void* data, size_t nbytes, Device device, MemoryOwner* owner) {
  StorageImpl* impl = make_header(data, nbytes, device);
  impl->owner = owner;
  return Storage(impl);
}

Storage Storage::alias(const Storage& source) {
  const auto* shown = dynamic_cast<const SharedOwner*>(source->owner);
  const Storage& root = shown ? shown->source : source;
  root->aliased = true;
  return borrow(source->data, source->nbytes, source->device, new SharedOwner(root));
}

void Storage::resize(size_t nbytes) {
  StorageImpl& s = *impl_;
  if (nbytes == s.nbytes) return;
  const bool lent = s.capacity == 0 && !is_joined(s) && !s.own;
  FULMEN_CHECK(!lent, "resize: this memory was lent (from_blob or data()), so it cannot change from ", s.nbytes, " to ",
               nbytes, " bytes");
  if (s.own) return resize_own(nbytes);
  const size_t capacity = nbytes > 0 ? nbytes : 1;
  void* data = allocate_memory(capacity);
  std::memcpy(data, s.data, nbytes < s.nbytes ? nbytes : s.nbytes);
  if (s.capacity > 0) {
    if (s.aliased) {
      s.owner = new RetiredMemory(s.data, s.capacity, s.owner);
    } else {
      free_memory(s.data, s.capacity);
    }
  }
  s.data = data;
  s.nbytes = nbytes;
  s.capacity = capacity;
  s.aliased = false;
}

// Memory of a CUDA device, or locked memory: its owner is what changes.
void Storage::resize_own(size_t nbytes) {
  StorageImpl& s = *impl_;
  Storage bigger = s.device.is_cpu() ? allocate_pinned(nbytes) : allocate_elsewhere(nbytes, s.device);
  const size_t kept = nbytes < s.nbytes ? nbytes : s.nbytes;
  if (kept > 0) cuda::copy_bytes(bigger, bigger.data(), *this, s.data, kept, !s.device.is_cpu());
  std::swap(s.data, bigger->data);
  std::swap(s.owner, bigger->owner);
  s.nbytes = nbytes;
  if (s.aliased) {
    s.owner = new BothOwners(s.owner, std::exchange(bigger->owner, nullptr));
    s.aliased = false;
  }
}

void Storage::destroy(StorageImpl* impl) noexcept {
  delete impl->owner;
  if (impl->capacity > 0) free_memory(impl->data, impl->capacity);
  const size_t bytes = impl->block_bytes;
  impl->~StorageImpl();
  free_memory(impl, bytes);
}

FencedMemory::FencedMemory() { ++fences; }
FencedMemory::~FencedMemory() { --fences; }
int64_t FencedMemory::damaged() { return damaged_fences.load(); }

}  // namespace fulmen
