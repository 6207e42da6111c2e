#pragma once
#include <fulmen/tensor/device.h>
#include <fulmen/tensor/ref_count.h>

#include <cstddef>
#include <utility>

namespace fulmen {

/// Whoever lent memory to a storage; destroyed when the last tensor lets go of it.
struct MemoryOwner {
  virtual ~MemoryOwner() = default;
  /// Who lent it first, if this is only a share.
  virtual MemoryOwner* root() { return this; }
};
template <class F>
struct DeleterOwner final : MemoryOwner {
  DeleterOwner(void* p, F f) : data(p), deleter(std::move(f)) {}
  ~DeleterOwner() override { deleter(data); }
  void* data;
  F deleter;
};

/// A reference-counted allocation. Views share it; the version counter tells a saved tensor that it was written to.
struct StorageImpl {
  AtomicCounter refs{1};
  AtomicCounter version{0};
  void* data = nullptr;
  size_t nbytes = 0;
  Device device{DeviceType::CPU};
  MemoryOwner* owner = nullptr;  ///< who lent the memory
  size_t capacity = 0;           ///< bytes behind `data` that came from our allocator; 0 if lent or inside block_bytes
  bool own = false;              ///< `owner` holds memory of our own (CUDA, locked), so that it may be resized
  bool aliased = false;          ///< another storage shows the same memory, which must stay where it is
  size_t block_bytes = 0;        ///< size of the block that holds this header and, for small storages, the data
};

/// A storage's memory as LibTorch shows it.
struct DataPtr {
  void* get() const { return data; }
  /// Who lent the memory; null if nobody did.
  void* get_context() const { return owner; }
  void* data;
  MemoryOwner* owner;
};

/// Shared handle on a StorageImpl.
class Storage {
 public:
  Storage() = default;
  /// Memory of `nbytes` on a device, 64-byte aligned, not initialised.
  static Storage allocate(size_t nbytes, Device device);
  /// Locked host memory (needs CUDA), from which copies to a CUDA device run beside the computation.
  static Storage allocate_pinned(size_t nbytes);
  /// Borrows memory; `owner` (may be null) is destroyed when the last tensor lets go.
  static Storage borrow(void* data, size_t nbytes, Device device, MemoryOwner* owner);
  /// The same memory under a version counter of its own (Tensor::data()).
  static Storage alias(const Storage& source);

  Storage(const Storage& other) noexcept : impl_(other.impl_) {
    if (impl_) impl_->refs.increment();
  }
  Storage(Storage&& other) noexcept : impl_(std::exchange(other.impl_, nullptr)) {}
  Storage& operator=(Storage other) noexcept {
    std::swap(impl_, other.impl_);
    return *this;
  }
  ~Storage() { reset(); }
  void reset() noexcept {
    StorageImpl* impl = std::exchange(impl_, nullptr);
    if (impl && impl->refs.decrement()) destroy(impl);
  }

  explicit operator bool() const { return impl_ != nullptr; }
  StorageImpl* operator->() const { return impl_; }
  StorageImpl* get() const { return impl_; }
  void* data() const { return impl_->data; }
  DataPtr data_ptr() const { return {impl_->data, impl_->owner}; }
  size_t nbytes() const { return impl_->nbytes; }
  bool is_pinned() const;
  uint32_t use_count() const { return impl_ ? impl_->refs.load() : 0; }
  /// Two storages over the same memory.
  bool is_alias_of(const Storage& other) const { return impl_ && other.impl_ && impl_->data == other.impl_->data; }
  /// Grows or shrinks the memory; every view sees it. An alias keeps what it shows.
  void resize(size_t nbytes);

 private:
  explicit Storage(StorageImpl* impl) : impl_(impl) {}
  static void destroy(StorageImpl* impl) noexcept;
  static Storage allocate_elsewhere(size_t nbytes, Device device);
  void resize_own(size_t nbytes);
  static StorageImpl* make_header(void* data, size_t nbytes, Device device);
  StorageImpl* impl_ = nullptr;
};

}  // namespace fulmen
