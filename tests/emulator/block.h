#pragma once
#include <emulator/hopper.h>
#include <emulator/launch.h>
#include <emulator/thread.h>

#include <array>
#include <atomic>
#include <deque>
#include <string>
#include <vector>

#include "fiber.h"

// A block while it runs: its threads, who is ready, who waits where. One per host thread.
namespace emulator {

inline constexpr int most_threads = 1024;
inline constexpr int barriers_per_block = 16;
inline constexpr size_t most_shared_bytes = 232448;  // 227 KiB, what compute capability 9.0 allows

/// Lanes of one warp that meet with one mask.
struct Meeting {
  uint32_t mask = 0, arrived = 0;
  Collective kind{};
  Site site;
  void* arguments[32];
};
struct Warp {
  uint32_t existed = 0, alive = 0;
  int first = 0;  // its first thread in the block
  int meetings = 0;
  std::array<Meeting, 8> meeting;
};

struct Barrier {
  int arrived = 0, expected = 0, votes = 0, result = 0;
  Site site;
  std::vector<Thread*> waiting;
};

/// Threads that can run, in order of arrival.
class ReadyQueue {
 public:
  bool empty() const { return first_ == last_; }
  void clear() { first_ = last_ = 0; }
  void push_back(Thread* thread) { at(last_++) = thread; }
  void push_front(Thread* thread) { at(--first_) = thread; }
  Thread* pop_front() { return at(first_++); }
  Thread* pop_back() { return at(--last_); }
  Thread* pop_random(uint64_t number) {
    std::swap(at(first_ + static_cast<uint32_t>(number % (last_ - first_))), at(last_ - 1));
    return pop_back();
  }

 private:
  Thread*& at(uint32_t i) { return ring_[i % ring_.size()]; }
  std::array<Thread*, 2 * most_threads> ring_;
  uint32_t first_ = 0, last_ = 0;
};

struct MbarrierWait {
  Thread* thread;
  uint64_t* barrier;
  int parity;
};

/// A wgmma of a whole warpgroup, as its last thread found it.
struct WarpgroupOperation {
  WarpgroupProduct product;  // of thread 0
  std::array<float*, 128> d;
  std::array<std::array<uint32_t, 4>, 128> a;  // if A is in registers
};
struct Warpgroup {
  int arrived = 0;
  Site site;
  std::array<const void*, 128> arguments;
  std::vector<WarpgroupOperation> open;                // since the last commit
  std::deque<std::vector<WarpgroupOperation>> groups;  // committed
  bool fenced = false;
};

/// A box on its way to shared memory. The map is a copy: a kernel's parameters end with the thread that issued it.
struct BoxLoad {
  CUtensorMap map;
  unsigned char* to;
  uint64_t* barrier;
  std::array<int, 5> coordinates;
  Thread* thread;
};

struct Block {
  BlockShape shape;
  KernelCall call{};
  size_t shared_bytes = 0;
  unsigned char* shared = nullptr;                                        // dynamic shared memory
  const std::vector<std::pair<size_t, size_t>>* shared_ranges = nullptr;  // `__shared__` variables
  int size = 0, live = 0, started = 0;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::vector<int> order;  // in which threads start
  ReadyQueue ready;
  std::array<Barrier, barriers_per_block> barriers;
  std::vector<MbarrierWait> mbarrier_waits;
  std::deque<BoxLoad> loads;
  std::array<Warpgroup, most_threads / 128> warpgroups;
  Stacks stacks;
  uint64_t random_state = 1;
  bool failed = false;
  void* host_stack_pointer = nullptr;
  // What a stack bottom and size are for AddressSanitizer, which must know of every switch.
  void* host_fake_stack = nullptr;
  const void* host_bottom = nullptr;
  size_t host_size = 0;

  /// Sets up threads and warps for blocks of this shape; cheap if they already are.
  void shape_threads(dim3 block_size);
  /// Runs one block to its end.
  void run(uint3 index);
  uint64_t random();
};

/// The block that this host thread runs; null outside kernels.
extern thread_local Block* running;

void make_ready(Thread* thread);
/// Runs other threads until this one is ready; the caller has noted itself where it waits.
void suspend();
/// suspend() with the reason, for the report of a deadlock.
void wait_at(Site site);
/// What remains to be done when a thread leaves its kernel.
void leave_collectives(Thread* thread);

/// Carries out one copy of the copy engine that is under way; false if there is none.
bool run_load(Block& block);
/// Bytes arrive at an mbarrier.
void mbarrier_complete(uint64_t* barrier, size_t bytes);
/// At the end of a block: a report if copies are left that nobody waited for.
void finish_block(Block& block);
/// The thread's copies to global memory: a report if some are left; without one.
void leave_stores(Thread& thread);
void drop_stores(Thread& thread);

/// The thread's cp.async copies: a report if some are left; without one.
void leave_copies(Thread& thread);
void drop_copies(Thread& thread);

/// The report of the launch that failed first.
void set_report(const std::string& text);

/// Fills the block's shared memory with 0xff.
void poison_shared(Block& block);
unsigned char* allocate_dynamic_shared();

/// Eight-row phases of ldmatrix and stmatrix, and the extra cycles that bank conflicts cost them.
extern std::atomic<uint64_t> matrix_phases, matrix_conflicts;

/// Runs all blocks of a grid; false if one failed.
bool run_grid(const KernelCall& call, dim3 grid, dim3 block, size_t shared_bytes);

}  // namespace emulator
