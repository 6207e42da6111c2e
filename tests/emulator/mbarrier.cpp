#include <emulator/hopper.h>

#include <bit>

#include "block.h"
#include "check.h"

// mbarrier: 64 bits in shared memory. Threads that wait are kept aside until their phase ends.
namespace emulator {
namespace {

constexpr int bias =
    1 << 21;  // pending bytes may be negative for a while: copies can be faster than their announcement

struct State {
  uint64_t phase : 1, pending : 20, count : 20, bytes : 22, initialized : 1;
};
static_assert(sizeof(State) == sizeof(uint64_t));

State load(const uint64_t* barrier, Site site) {
  if (reinterpret_cast<uintptr_t>(barrier) % 8 != 0 || !in_shared(barrier, 8)) {
    fail("%s at %s:%d: %p is not an aligned address in shared memory", site.what, site.file, site.line,
         static_cast<const void*>(barrier));
  }
  auto state = std::bit_cast<State>(*barrier);
  if (*barrier == ~uint64_t{0} || state.initialized == 0) {
    fail("%s at %s:%d: the mbarrier was not initialised", site.what, site.file, site.line);
  }
  return state;
}

/// Ends the phase if all has come, and lets its waiters go.
void store(uint64_t* barrier, State state) {
  bool ended = state.pending == 0 && state.bytes == bias;
  if (ended) {
    state.phase ^= 1u;
    state.pending = state.count;
  }
  *barrier = std::bit_cast<uint64_t>(state);
  if (!ended) return;
  auto& waits = running->mbarrier_waits;
  for (size_t i = 0; i < waits.size();) {
    if (waits[i].barrier == barrier && static_cast<int>(state.phase) != waits[i].parity) {
      note_acquire(barrier, *waits[i].thread);  // what was released by now, not what comes before it runs again
      make_ready(waits[i].thread);
      waits.erase(waits.begin() + static_cast<long>(i));
    } else {
      ++i;
    }
  }
}

}  // namespace

void mbarrier_init(uint64_t* barrier, int count, Site site) {
  if (reinterpret_cast<uintptr_t>(barrier) % 8 != 0 || !in_shared(barrier, 8)) {
    fail("%s at %s:%d: %p is not an aligned address in shared memory", site.what, site.file, site.line,
         static_cast<void*>(barrier));
  }
  if (count < 1 || count >= 1 << 20) fail("%s at %s:%d: count %d", site.what, site.file, site.line, count);
  auto arrivals = static_cast<uint64_t>(count) & 0xfffff;
  *barrier = std::bit_cast<uint64_t>(State{0, arrivals, arrivals, static_cast<uint64_t>(bias), 1});
}

void mbarrier_arrive(uint64_t* barrier, int bytes, Site site) {
  State state = load(barrier, site);
  if (state.pending == 0) {
    fail("%s at %s:%d: more arrivals than the mbarrier's count of %d in one phase", site.what, site.file, site.line,
         static_cast<int>(state.count));
  }
  state.bytes = (state.bytes + static_cast<uint64_t>(bytes)) & 0x3fffff;
  state.pending = (state.pending - 1) & 0xfffff;
  note_release(barrier);
  store(barrier, state);
}

void mbarrier_complete(uint64_t* barrier, size_t bytes) {
  State state = load(barrier, {"TMA load", "", 0});
  state.bytes = (state.bytes - bytes) & 0x3fffff;
  store(barrier, state);
}

bool mbarrier_try(uint64_t* barrier, int parity, Site site) {
  bool ended = static_cast<int>(load(barrier, site).phase) != parity;
  if (ended) {
    note_acquire(barrier);
  } else {
    yield();
  }
  return ended;
}

void fence_async() {
  if (check_hooks) check_hooks->fence_async();
}

void mbarrier_wait(uint64_t* barrier, int parity, Site site) {
  if (static_cast<int>(load(barrier, site).phase) == parity) {
    running->mbarrier_waits.push_back({current, barrier, parity});
    wait_at(site);
  } else {
    note_acquire(barrier);
  }
}

}  // namespace emulator
