#include <emulator/control.h>
#include <ucontext.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>

#include "block.h"
#include "check.h"
#include "runtime.h"
#include "shared_memory.h"

// Blocks of a grid, spread over host threads. While a grid runs, an access to unmapped memory ends its block with a
// report instead of the process.
namespace emulator {
namespace {

struct Grid {
  const KernelCall& call;
  dim3 size, block;
  size_t shared_bytes;
  uint64_t blocks;
  const std::vector<std::pair<size_t, size_t>>& shared_ranges;
  std::atomic<uint64_t> next{0};
  std::atomic<bool> failed{false};
};

// --- unmapped memory

thread_local const void* bad_address = nullptr;

void report_bad_address() {
  const Allocation before = device_allocation_before(bad_address);
  if (reinterpret_cast<uintptr_t>(bad_address) < before.start + before.bytes &&
      !may_access(running_device, before.device)) {
    fail("illegal address %p: memory of device %d, to which a kernel on device %d has no access", bad_address,
         before.device, running_device);
  }
  fail("illegal address %p: neither device memory nor shared memory of this block", bad_address);
}

struct sigaction previous_action;

void on_bad_address(int signal, siginfo_t* info, void* context) {
  if (current == nullptr) {
    sigaction(signal, &previous_action, nullptr);  // not ours: happens again, to whoever listened before
    return;
  }
  // Continue in report_bad_address, on the same fiber, as if the faulting instruction had called it.
  bad_address = info->si_addr;
  auto* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  auto stack = static_cast<uintptr_t>(registers[REG_RSP]);
  registers[REG_RSP] = static_cast<greg_t>(((stack - 1024) & ~uintptr_t{15}) - 8);
  registers[REG_RIP] = static_cast<greg_t>(reinterpret_cast<uintptr_t>(&report_bad_address));
}

/// Listens for accesses to unmapped memory while it lives.
class FaultListener {
 public:
  FaultListener() {
    struct sigaction action {};
    action.sa_sigaction = on_bad_address;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaction(SIGSEGV, &action, &previous_action);
  }
  ~FaultListener() { sigaction(SIGSEGV, &previous_action, nullptr); }
};

/// A stack for signal handlers: the fiber's own may be what overflowed.
struct SignalStack {
  std::unique_ptr<char[]> memory{new char[size]};
  static constexpr size_t size = 64 * 1024;
  SignalStack() {
    stack_t stack{};
    stack.ss_sp = memory.get();
    stack.ss_size = size;
    sigaltstack(&stack, nullptr);
  }
  ~SignalStack() {
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    sigaltstack(&none, nullptr);
  }
};

// --- host threads

/// Host threads that wait for grids. They are started with the first one and end with the process.
class Workers {
 public:
  ~Workers() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void run(Grid& grid) {
    std::unique_lock lock(mutex_);
    // The checks keep one shadow, so they want one block at a time.
    auto wanted = check_hooks ? 1 : std::min<uint64_t>(static_cast<uint64_t>(settings().threads), grid.blocks);
    while (threads_.size() < wanted) threads_.emplace_back([this] { work(); });
    grid_ = &grid;
    places_ = busy_ = static_cast<int>(wanted);
    wanted == 1 ? wake_.notify_one() : wake_.notify_all();
    done_.wait(lock, [this] { return busy_ == 0; });
    grid_ = nullptr;
  }

 private:
  void work() {
    SignalStack signal_stack;
    auto block = std::make_unique<Block>();
    block->shared = allocate_dynamic_shared();
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return stop_ || places_ > 0; });
      if (stop_) return;
      --places_;
      Grid& grid = *grid_;
      lock.unlock();
      run_blocks(*block, grid);
      lock.lock();
      if (--busy_ == 0) done_.notify_one();
    }
  }

  static void run_blocks(Block& block, Grid& grid) {
    block.call = grid.call;
    block.shape.grid = grid.size;
    block.shared_bytes = grid.shared_bytes;
    block.shared_ranges = &grid.shared_ranges;
    block.random_state = settings().seed * 0x9e3779b97f4a7c15u + 1;
    block.shape_threads(grid.block);
    for (uint64_t taken; !grid.failed && (taken = grid.next.fetch_add(1)) < grid.blocks;) {
      uint64_t i = settings().order == Order::reverse ? grid.blocks - 1 - taken : taken;
      block.run({static_cast<unsigned>(i % grid.size.x), static_cast<unsigned>(i / grid.size.x % grid.size.y),
                 static_cast<unsigned>(i / (static_cast<uint64_t>(grid.size.x) * grid.size.y))});
      if (block.failed) grid.failed = true;
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::vector<std::thread> threads_;
  Grid* grid_ = nullptr;
  int places_ = 0, busy_ = 0;
  bool stop_ = false;
};

}  // namespace

bool run_grid(const KernelCall& call, dim3 size, dim3 block, size_t shared_bytes) {
  static Workers workers;
  Grid grid{
      call, size, block, shared_bytes, static_cast<uint64_t>(size.x) * size.y * size.z, shared_ranges(call.kernel)};
  FaultListener listener;
  workers.run(grid);
  return !grid.failed;
}

}  // namespace emulator
