#pragma once
#include <emulator/types.h>

// The device side of the emulator: what code inside a kernel reaches.
namespace emulator {

/// A place in a kernel, for messages: `what` is the operation's CUDA name.
struct Site {
  const char* what = "";
  const char* file = "";
  int line = 0;
};
/// Last parameters of everything that reports its caller's place.
#define EMULATOR_CALLER const char *file = __builtin_FILE(), int line = __builtin_LINE()

/// Code of the emulator that headers put into kernel files: the checked build must not instrument it.
#define EMULATOR_INTERNAL __attribute__((no_sanitize("thread")))

struct BlockShape {
  uint3 index{};
  dim3 size, grid;
};
struct Warp;

/// One CUDA thread: a fiber, or a thread that has not started.
struct alignas(64) Thread {
  uint3 index{};
  uint32_t linear = 0, lane = 0;
  const BlockShape* shape = nullptr;
  Warp* warp = nullptr;
  // The rest belongs to the scheduler.
  enum class State : uint8_t { fresh, ready, waiting, done } state = State::fresh;
  int stack = -1;
  void* stack_pointer = nullptr;
  void* fake_stack = nullptr;
  struct AsyncCopies* copies = nullptr;
  struct BoxStores* stores = nullptr;
  Site waits_for;
};

/// The thread that runs on this host thread; null outside kernels.
extern __thread Thread* current;

/// Ends this block with a report (the launch then fails with cudaErrorLaunchFailure).
[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

/// The block's dynamic shared memory, and whether [p, p + bytes) is shared memory of this block.
unsigned char* dynamic_shared();
bool in_shared(const void* p, size_t bytes);
/// An address in the shared window, as PTX sees it.
uint32_t shared_address(const void* p);

// --- barriers of the block

/// Barrier `id` for `threads` threads, 0 for the whole block. `wait` false only arrives.
void barrier(int id, int threads, bool wait, Site site);
enum class BarrierResult { count, all, any };
int barrier_reduce(int predicate, BarrierResult result, Site site);

// --- collectives of a warp

enum class Collective : uint8_t { syncwarp, shuffle, vote, reduce, match, ldmatrix, stmatrix, mma };
/// Runs the operation for all lanes in `active`; arguments[lane] is what that lane passed.
using Leader = void (*)(void** arguments, uint32_t active);
/// Every lane of `mask` arrives; the last one runs `leader` while the others wait. Operations from ldmatrix on need
/// the whole warp at one place.
void meet(uint32_t mask, Collective kind, void* argument, Leader leader, Site site);
uint32_t active_mask();

/// Lets other threads run: for loops that poll.
void yield();

/// The checked build learns of accesses that no instrumented instruction makes.
enum class Access : uint8_t { read, write, atomic };
void note_access(const void* p, size_t bytes, Access access, Site site);

}  // namespace emulator

#define threadIdx (::emulator::current->index)
#define blockIdx (::emulator::current->shape->index)
#define blockDim (::emulator::current->shape->size)
#define gridDim (::emulator::current->shape->grid)
inline constexpr int warpSize = 32;

inline void __syncthreads(EMULATOR_CALLER) { ::emulator::barrier(0, 0, true, {"__syncthreads", file, line}); }
inline int __syncthreads_count(int predicate, EMULATOR_CALLER) {
  return ::emulator::barrier_reduce(predicate != 0, ::emulator::BarrierResult::count,
                                    {"__syncthreads_count", file, line});
}
inline int __syncthreads_and(int predicate, EMULATOR_CALLER) {
  return ::emulator::barrier_reduce(predicate != 0, ::emulator::BarrierResult::all, {"__syncthreads_and", file, line});
}
inline int __syncthreads_or(int predicate, EMULATOR_CALLER) {
  return ::emulator::barrier_reduce(predicate != 0, ::emulator::BarrierResult::any, {"__syncthreads_or", file, line});
}
inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __threadfence_block() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __threadfence_system() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __nanosleep(unsigned) { ::emulator::yield(); }
inline unsigned __activemask() { return ::emulator::active_mask(); }
