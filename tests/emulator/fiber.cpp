#include "fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>

// x86-64, System V: rbx, rbp and r12 to r15 survive a call; the return address is on the stack already.
asm(R"(
.text
.globl fulmen_emulator_switch
.type fulmen_emulator_switch, @function
fulmen_emulator_switch:
  pushq %rbx
  pushq %rbp
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbp
  popq %rbx
  ret
.size fulmen_emulator_switch, .-fulmen_emulator_switch
)");

namespace emulator {
namespace {
constexpr size_t guard = 4096;
}

Stacks::~Stacks() {
  for (unsigned char* memory : memory_) munmap(memory, size);
}

int Stacks::take() {
  if (free_.empty()) {
    void* memory =
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    mprotect(memory, guard, PROT_NONE);
    memory_.push_back(static_cast<unsigned char*>(memory));
    return static_cast<int>(memory_.size()) - 1;
  }
  int stack = free_.back();
  free_.pop_back();
  return stack;
}

void Stacks::give_back_all() {
  free_.clear();
  for (size_t i = memory_.size(); i-- > 0;) free_.push_back(static_cast<int>(i));
}

bool Stacks::contains(const void* p) const {
  for (const unsigned char* memory : memory_) {
    if (p >= memory && p < memory + size) return true;
  }
  return false;
}

void* Stacks::prepare(int stack, void (*entry)()) const {
  // Tops at different distances from a page's end, or all stacks would share a few sets of the cache.
  size_t stagger = static_cast<size_t>(stack % 32) * 192;
  auto** top = reinterpret_cast<void**>((reinterpret_cast<uintptr_t>(bottom(stack)) + size - stagger) & ~uintptr_t{15});
  *--top = nullptr;  // `entry` finds the stack as after a call: 8 bytes past a multiple of 16
  *--top = reinterpret_cast<void*>(entry);
  for (int registers = 0; registers < 6; ++registers) *--top = nullptr;
  return top;
}

}  // namespace emulator
