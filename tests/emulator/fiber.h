#pragma once
#include <cstddef>
#include <vector>

// Fibers: stacks and the switch between them.
namespace emulator {

/// Saves the registers that a call preserves on the stack, stores the stack pointer in *from, continues at `to`.
extern "C" void fulmen_emulator_switch(void** from, void* to);

/// A host thread's stacks. A stack that was given back is used next, while it is still in the cache.
class Stacks {
 public:
  static constexpr size_t size = 256 * 1024;
  Stacks() = default;
  Stacks(const Stacks&) = delete;
  Stacks& operator=(const Stacks&) = delete;
  ~Stacks();
  int take();
  void give_back(int stack) { free_.push_back(stack); }
  void give_back_all();
  unsigned char* bottom(int stack) const { return memory_[static_cast<size_t>(stack)]; }
  int count() const { return static_cast<int>(memory_.size()); }
  bool contains(const void* p) const;
  /// The stack pointer of a fiber on `stack` that begins in `entry`.
  void* prepare(int stack, void (*entry)()) const;

 private:
  std::vector<unsigned char*> memory_;
  std::vector<int> free_;
};

}  // namespace emulator
