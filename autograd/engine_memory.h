#pragma once
#include <fulmen/autograd/node.h>

#include <array>

// Where a backward pass keeps gradients and positions; small passes allocate nothing.
namespace fulmen::autograd {

/// Node -> where its gradients lie. Open addressing with the first entries on the stack: a small backward pass
/// allocates nothing here. Entries are never removed: a node runs once, after every node that can send to it.
class StartMap {
 public:
  /// The entry for `node`, and whether it is new.
  std::pair<size_t&, bool> find_or_add(const Node* node, size_t value) {
    if (2 * (count_ + 1) > slots_.size()) grow();
    Slot& slot = locate(slots_, node);
    bool fresh = slot.node == nullptr;
    if (fresh) {
      slot = {node, value};
      ++count_;
    }
    return {slot.value, fresh};
  }

 private:
  struct Slot {
    const Node* node = nullptr;
    size_t value = 0;
  };
  static Slot& locate(std::span<Slot> slots, const Node* node) {
    size_t i = (reinterpret_cast<uintptr_t>(node) >> 5) * 0x9e3779b97f4a7c15ull >> 20;
    while (true) {
      Slot& slot = slots[i++ & (slots.size() - 1)];
      if (!slot.node || slot.node == node) return slot;
    }
  }
  void grow() {
    std::vector<Slot> larger(slots_.size() * 4);
    for (const Slot& s : slots_) {
      if (s.node) locate(larger, s.node) = s;
    }
    heap_ = std::move(larger);
    slots_ = heap_;
  }
  std::array<Slot, 32> inline_;
  std::vector<Slot> heap_;
  std::span<Slot> slots_ = inline_;
  size_t count_ = 0;
};

/// A list of fixed length: a few entries without allocation.
template <class T>
class Buffer {
 public:
  explicit Buffer(size_t count) {
    if (count > few_.size()) many_.resize(count);
    all_ = count > few_.size() ? std::span<T>(many_) : std::span<T>(few_).first(count);
  }
  operator std::span<T>() { return all_; }
  operator std::span<const T>() const { return all_; }
  T& operator[](size_t i) { return all_[i]; }
  size_t size() const { return all_.size(); }
  auto begin() { return all_.begin(); }
  auto end() { return all_.end(); }

 private:
  std::array<T, 4> few_;
  std::vector<T> many_;
  std::span<T> all_;
};
/// Gradients around one node.
using GradientBuffer = Buffer<Tensor>;

}  // namespace fulmen::autograd
