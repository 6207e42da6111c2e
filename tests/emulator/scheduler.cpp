#include <emulator/control.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <stdexcept>

#include "asan.h"
#include "block.h"
#include "check.h"

// Who runs next. Threads start one after the other on one fiber as long as none has to wait; a thread that waits keeps
// its fiber's stack, and threads that can continue come before threads that have not started.
namespace emulator {

__thread Thread* current = nullptr;
thread_local Block* running = nullptr;

namespace {

std::mutex report_mutex;
std::string report_text;
thread_local std::string deadlock_text;

[[noreturn]] void leave_to_host(Block& block) {
  void* dropped = nullptr;
  current = nullptr;
  asan::start_switch(nullptr, block.host_bottom, block.host_size);
  fulmen_emulator_switch(&dropped, block.host_stack_pointer);
  __builtin_unreachable();
}

Thread* next_ready(Block& block) {
  if (block.ready.empty()) return nullptr;
  switch (settings().order) {
    case Order::forward:
      return block.ready.pop_front();
    case Order::reverse:
      return block.ready.pop_back();
    case Order::random:
      break;
  }
  return block.ready.pop_random(block.random());
}

[[noreturn]] void report_deadlock(Block& block) {
  current = nullptr;  // nobody's doing
  std::string& waiting = deadlock_text;
  waiting.clear();
  int blocked = 0, shown = 0;
  const Thread* last_shown = nullptr;
  for (const Thread& thread : block.threads) {
    if (thread.state != Thread::State::waiting) continue;
    ++blocked;
    bool same = last_shown != nullptr && last_shown->waits_for.what == thread.waits_for.what &&
                last_shown->waits_for.line == thread.waits_for.line;
    if (same || shown == 8) continue;
    char line[400];
    std::snprintf(line, sizeof line, "\n  thread (%u,%u,%u) waits in %s at %s:%d", thread.index.x, thread.index.y,
                  thread.index.z, thread.waits_for.what, thread.waits_for.file, thread.waits_for.line);
    waiting += line;
    last_shown = &thread;
    ++shown;
  }
  fail("deadlock: %d of %d threads wait, %d have exited%s", blocked, block.size, block.size - block.live,
       waiting.c_str());
}

void enter();

/// Starts the next thread on a stack of its own.
void start_thread(Block& block, void** from, void** fake_stack) {
  Thread& thread = block.threads[static_cast<size_t>(block.order[static_cast<size_t>(block.started++)])];
  thread.stack = block.stacks.take();
  thread.state = Thread::State::ready;
  current = &thread;
  asan::start_switch(fake_stack, block.stacks.bottom(thread.stack), Stacks::size);
  fulmen_emulator_switch(from, block.stacks.prepare(thread.stack, enter));
}

/// The next thread to continue, or null if one is to be started. Ends the block when all is done.
Thread* next_thread(Block& block) {
  for (;;) {
    if (Thread* next = next_ready(block)) return next;
    if (block.started < block.size) return nullptr;
    if (block.live == 0) {
      finish_block(block);
      leave_to_host(block);
    }
    if (run_load(block)) continue;
    report_deadlock(block);
  }
}

/// Where fibers begin: runs threads from start to end, one after the other, until one that waited can continue.
void enter() {
  Block& block = *running;
  asan::finish_first_switch(block.host_bottom, block.host_size);
  for (;;) {
    Thread* thread = current;
    int stack = thread->stack;
    block.call.invoke(const_cast<void*>(block.call.arguments));
    leave_copies(*thread);
    leave_stores(*thread);
    thread->state = Thread::State::done;
    --block.live;
    leave_collectives(thread);
    Thread* next = next_thread(block);
    if (next == nullptr) {
      current = &block.threads[static_cast<size_t>(block.order[static_cast<size_t>(block.started++)])];
      current->stack = stack;
      current->state = Thread::State::ready;
      continue;
    }
    void* dropped = nullptr;
    block.stacks.give_back(stack);
    current = next;
    asan::start_switch(nullptr, block.stacks.bottom(next->stack), Stacks::size);
    fulmen_emulator_switch(&dropped, next->stack_pointer);
  }
}

}  // namespace

/// A function of its own: what it allocates must be freed before the fiber is dropped.
static void report_failure(const Block& block, const Thread* thread, const char* text) {
  std::string message = std::string(block.call.name) + ": ";
  if (thread != nullptr) {
    char place[160];
    std::snprintf(place, sizeof place, "block (%u,%u,%u) thread (%u,%u,%u): ", block.shape.index.x, block.shape.index.y,
                  block.shape.index.z, thread->index.x, thread->index.y, thread->index.z);
    message += place;
  }
  set_report(message + text);
}

void fail(const char* format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (running == nullptr) throw std::logic_error(text);
  Block& block = *running;
  const Thread* thread = current;
  current = nullptr;  // the rest is no access of the kernel
  report_failure(block, thread, text);
  block.failed = true;
  leave_to_host(block);  // every fiber of the block is dropped where it stands
}

void set_report(const std::string& text) {
  std::lock_guard lock(report_mutex);
  if (report_text.empty()) report_text = text;
}
std::string report() {
  std::lock_guard lock(report_mutex);
  return report_text;
}
void forget_report() {
  std::lock_guard lock(report_mutex);
  report_text.clear();
}

uint64_t Block::random() {  // xorshift64
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

void make_ready(Thread* thread) {
  thread->state = Thread::State::ready;
  running->ready.push_back(thread);
}

void suspend() {
  Block& block = *running;
  Thread* thread = current;
  Thread* next = next_thread(block);
  if (next == thread) return;
  if (next != nullptr) {
    current = next;
    asan::start_switch(&thread->fake_stack, block.stacks.bottom(next->stack), Stacks::size);
    fulmen_emulator_switch(&thread->stack_pointer, next->stack_pointer);
  } else {
    start_thread(block, &thread->stack_pointer, &thread->fake_stack);
  }
  asan::finish_switch(thread->fake_stack);
}

void wait_at(Site site) {
  current->state = Thread::State::waiting;
  current->waits_for = site;
  suspend();
}

void yield() {
  (void)run_load(*running);  // or threads that poll could keep it away for ever
  // Behind all others, whatever the order is.
  if (settings().order == Order::reverse) {
    running->ready.push_front(current);
  } else {
    running->ready.push_back(current);
  }
  suspend();
}

void Block::shape_threads(dim3 block_size) {
  int threads_now = static_cast<int>(block_size.x * block_size.y * block_size.z);
  bool same = size == threads_now && shape.size.x == block_size.x && shape.size.y == block_size.y;
  shape.size = block_size;
  if (!same) {
    size = threads_now;
    threads.assign(static_cast<size_t>(size), Thread{});
    warps.resize(static_cast<size_t>((size + 31) / 32));
    uint32_t linear = 0;
    for (Thread& thread : threads) {
      thread.index = {linear % block_size.x, linear / block_size.x % block_size.y,
                      linear / (block_size.x * block_size.y)};
      thread.linear = linear;
      thread.lane = linear % 32;
      thread.shape = &shape;
      thread.warp = &warps[linear / 32];
      ++linear;
    }
    for (size_t w = 0; w < warps.size(); ++w) {
      int lanes = std::min(32, size - static_cast<int>(w) * 32);
      warps[w].first = static_cast<int>(w) * 32;
      warps[w].existed = lanes == 32 ? ~0u : (1u << lanes) - 1;
    }
  }
  order.resize(static_cast<size_t>(size));
  for (int i = 0; i < size; ++i) {
    order[static_cast<size_t>(i)] = settings().order == Order::reverse ? size - 1 - i : i;
  }
}

void Block::run(uint3 index) {
  shape.index = index;
  live = size;
  started = 0;
  failed = false;
  ready.clear();
  for (Barrier& b : barriers) {
    b.arrived = b.expected = b.votes = 0;
    b.waiting.clear();
  }
  mbarrier_waits.clear();
  loads.clear();
  for (Warpgroup& group : warpgroups) {
    group.arrived = 0;
    group.open.clear();
    group.groups.clear();
    group.fenced = false;
  }
  for (Warp& warp : warps) {
    warp.alive = warp.existed;
    warp.meetings = 0;
  }
  for (Thread& thread : threads) thread.state = Thread::State::fresh;
  if (settings().order == Order::random) {
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  }
  running = this;
  poison_shared(*this);
  if (check_hooks) check_hooks->block_begins(*this);
  start_thread(*this, &host_stack_pointer, &host_fake_stack);
  asan::finish_switch(host_fake_stack);
  if (failed) {
    asan::forget_stacks(stacks);
    for (Thread& thread : threads) {
      drop_copies(thread);
      drop_stores(thread);
    }
  }
  stacks.give_back_all();
  running = nullptr;
  current = nullptr;
}

}  // namespace emulator
