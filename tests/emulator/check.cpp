#include "check.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include "banks.h"
#include "check_shadow.h"
#include "runtime.h"
#include "shared_memory.h"

// The checked build. Kernels are compiled by clang with -fsanitize=thread, whose runtime library is not linked: the
// calls it puts before every load and store arrive in check_calls.cpp and come here. Each address is looked up
// (memcheck), and each byte remembers whether it was written (initcheck) and by whom it was used last (racecheck).
namespace emulator {

namespace {

constexpr size_t region_bytes = size_t{64} << 30;

struct Range {
  uintptr_t start, end;
  bool contains(const void* p, size_t bytes) const {
    auto address = reinterpret_cast<uintptr_t>(p);
    return address >= start && address + bytes <= end;
  }
};

// All device memory lies in one region, so that its shadow is found by an offset. Addresses are not used again.
unsigned char* region = nullptr;
size_t region_used = 0;
unsigned char* written = nullptr;  // one byte for each: has it been written?
Shadow* device_shadow = nullptr;
Shadow* shared_shadow = nullptr;  // dynamic shared memory, then thread-local storage
uintptr_t program_start = 0;
std::vector<Range> program;      // constants and variables of the program and its libraries
std::vector<Range> host_ranges;  // pinned memory
Range arguments{0, 0};
uint32_t launch_number = 0, block_number = 0;
Clocks clocks;
BlockOrder block_order;
std::array<uint32_t, most_threads> fences{};  // fence_async() calls of every thread of the block
// The checks themselves may call library functions of which a kernel file holds the instrumented copy.
thread_local bool busy = false;

// --- places in the source

/// Who makes an access: an instruction of the kernel, or an operation of the emulator.
struct Origin {
  uint32_t code = 0;  // distance from the program's start
  Site site;
  bool asynchronous = false;
};

/// "inner.h:12 < kernel.cu:34" of an address in the program, by addr2line.
std::string place(uint32_t code) {
  if (code == 0) return "an asynchronous copy or an atomic or matrix operation";
  char path[512], command[700], line[300];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length <= 0) return "?";
  path[length] = 0;
  std::snprintf(command, sizeof command, "addr2line -i -s -e '%s' %#lx 2>/dev/null", path,
                static_cast<unsigned long>(code) - 1);
  FILE* output = popen(command, "r");
  if (output == nullptr) return "?";
  std::string found;
  int frames = 0;
  while (std::fgets(line, sizeof line, output)) {
    line[std::strcspn(line, " \n")] = 0;
    if (frames == 3 || line[0] == '?') continue;
    found += (frames++ == 0 ? "" : " < ") + std::string(line);
  }
  pclose(output);
  return found.empty() ? "?" : found;
}
std::string place(const Origin& origin) {
  if (origin.code != 0) return place(origin.code);
  const char* file = std::strrchr(origin.site.file, '/');
  std::string text = origin.site.what;
  if (origin.site.line != 0) {
    text +=
        std::string(" at ") + (file != nullptr ? file + 1 : origin.site.file) + ":" + std::to_string(origin.site.line);
  }
  return text;
}

const char* verb(Access access) {
  return access == Access::read ? "reads" : access == Access::write ? "writes" : "updates";
}

// --- what an address is

[[noreturn]] void bad_address(const void* p, size_t bytes, Access access, const Origin& origin) {
  std::string at = place(origin);
  Allocation before = device_allocation_before(p);
  auto past = static_cast<long>(reinterpret_cast<uintptr_t>(p) + bytes - before.start - before.bytes);
  bool in_region = p >= region && p < region + region_bytes;
  if (in_region && before.bytes != 0 && past < 1 << 20) {
    fail("memcheck: %s %zu bytes that end %ld bytes past a device allocation of %zu bytes [%s]", verb(access), bytes,
         past, before.bytes, at.c_str());
  }
  if (in_region) fail("memcheck: %s freed device memory at %p [%s]", verb(access), p, at.c_str());
  for (const Thread& thread : running->threads) {
    if (thread.stack < 0) continue;
    const unsigned char* bottom = running->stacks.bottom(thread.stack);
    if (p >= bottom && p < bottom + Stacks::size) {
      fail("memcheck: %s a local variable of another thread at %p [%s]", verb(access), p, at.c_str());
    }
  }
  fail("memcheck: %s %zu bytes of host memory at %p [%s]", verb(access), bytes, p, at.c_str());
}

/// Memory that is no business of these checks: the thread's own stack, parameters, constants, the emulator's records.
bool is_other_memory(const void* p, size_t bytes) {
  const Thread& thread = *current;
  const Block& block = *running;
  const unsigned char* bottom = block.stacks.bottom(thread.stack);
  if (p >= bottom && p < bottom + Stacks::size) return true;
  if (arguments.contains(p, bytes) || p == &current || p == &running) return true;
  if (p >= &block && p < &block + 1) return true;
  if (p >= block.threads.data() && p < block.threads.data() + block.threads.size()) return true;
  auto in = [&](const Range& range) { return range.contains(p, bytes); };
  return std::any_of(program.begin(), program.end(), in) || std::any_of(host_ranges.begin(), host_ranges.end(), in);
}

std::string describe(const void* p, const char* space) {
  char text[200];
  if (const SharedVariable* variable = find_shared_variable(p)) {
    auto offset = static_cast<const unsigned char*>(p) - thread_local_storage() - static_cast<long>(variable->offset);
    std::snprintf(text, sizeof text, "byte %ld of a __shared__ variable", offset);
  } else if (p >= running->shared && p < running->shared + most_shared_bytes) {
    std::snprintf(text, sizeof text, "byte %ld of dynamic shared memory",
                  static_cast<const unsigned char*>(p) - running->shared);
  } else {
    auto offset = reinterpret_cast<uintptr_t>(p) - device_allocation_before(p).start;
    std::snprintf(text, sizeof text, "byte %zu of %s", offset, space);
  }
  return text;
}

// --- races and initialisation

void check_bytes(Shadow* shadow, const void* p, size_t bytes, Access access, uint32_t generation, uint32_t block,
                 const Origin& origin) {
  const Thread& thread = *current;
  uint32_t warp = thread.linear / 32;
  bool atomic = access == Access::atomic;
  Cell self{generation,
            block,
            clocks.time(warp),
            static_cast<uint16_t>(thread.linear),
            static_cast<uint16_t>(clocks.epoch(warp) << 1 | (atomic ? 1 : 0)),
            origin.code};
  Accessor accessor{clocks, block_order, self, atomic, access != Access::read};
  // The bytes of a number mostly have one history, and what is found of the first holds for all of them.
  const Shadow before = shadow[0];
  for (size_t i = 0; i < bytes; ++i) {
    if (i > 0 && std::memcmp(&shadow[i], &before, sizeof before) == 0) {
      shadow[i] = shadow[0];
      continue;
    }
    Conflict conflict = accessor.update(shadow[i]);
    if (conflict.cell == nullptr) continue;
    Cell other = *conflict.cell;
    std::string what = describe(static_cast<const unsigned char*>(p) + i, "a device allocation");
    std::string here = place(origin), there = place(other.code);
    if (other.block != block) {
      fail("racecheck: %s by another block: %s [%s], and thread %u of block %u [%s]", conflict.kind, what.c_str(),
           here.c_str(), other.thread, other.block, there.c_str());
    }
    fail("racecheck: %s: %s [%s], and thread %u with nothing that orders them [%s]", conflict.kind, what.c_str(),
         here.c_str(), other.thread, there.c_str());
  }
}

void check_device(const void* p, size_t bytes, Access access, const Origin& origin) {
  static thread_local Allocation last;
  static thread_local uint32_t last_launch = 0;
  auto address = reinterpret_cast<uintptr_t>(p);
  if (last_launch != launch_number || address < last.start || address + bytes > last.start + last.bytes) {
    last = device_allocation_before(p);
    last_launch = launch_number;
    if (last.bytes == 0 || address + bytes > last.start + last.bytes) {
      last_launch = 0;
      bad_address(p, bytes, access, origin);
    }
    if (!may_access(running_device, last.device)) {
      last_launch = 0;
      fail("memcheck: %s memory of device %d in a kernel on device %d, which has no access to it [%s]", verb(access),
           last.device, running_device, place(origin).c_str());
    }
  }
  auto offset = static_cast<size_t>(static_cast<const unsigned char*>(p) - region);
  if (access == Access::write) {
    std::memset(written + offset, 1, bytes);
  } else if (const void* missing = std::memchr(written + offset, 0, bytes)) {
    auto at = static_cast<size_t>(static_cast<const unsigned char*>(missing) - written);
    fail("initcheck: %s %s, which nobody has written [%s]", verb(access),
         describe(region + at, "a device allocation").c_str(), place(origin).c_str());
  }
  const BlockShape& shape = running->shape;
  uint32_t block = shape.index.x + shape.grid.x * (shape.index.y + shape.grid.y * shape.index.z);
  if (access == Access::atomic) block_order.atomic(block, p);
  check_bytes(device_shadow + offset, p, bytes, access, launch_number, block, origin);
}

/// The asynchronous proxy reads ordinary writes only after their writers' fence_async().
void check_fences(const Shadow* shadow, const void* p, size_t bytes, const Origin& origin) {
  for (size_t i = 0; i < bytes; ++i) {
    const Cell& write = shadow[i].write;
    if (shadow[i].fences == 0 || fences[write.thread] >= shadow[i].fences) continue;
    fail("proxycheck: %s reads %s; thread %u has called no fence_async() since it wrote that [%s]",
         place(origin).c_str(), describe(static_cast<const unsigned char*>(p) + i, "").c_str(), write.thread,
         place(write.code).c_str());
  }
}

void check_shared(size_t offset, const void* p, size_t bytes, Access access, const Origin& origin) {
  if (banks_watched && origin.code != 0) {
    bank_access(current->linear, origin.code, offset, bytes, access == Access::write);
  }
  Shadow* shadow = shared_shadow + offset;
  for (size_t i = 0; access != Access::write && i < bytes; ++i) {
    if (shadow[i].write.generation != block_number) {
      fail("initcheck: %s %s, which nobody has written [%s]", verb(access),
           describe(static_cast<const unsigned char*>(p) + i, "").c_str(), place(origin).c_str());
    }
  }
  check_bytes(shadow, p, bytes, access, block_number, 0, origin);
  if (access == Access::read) {
    if (origin.asynchronous) check_fences(shadow, p, bytes, origin);
    return;
  }
  for (size_t i = 0; i < bytes; ++i) shadow[i].fences = origin.asynchronous ? 0 : fences[current->linear] + 1;
}

int add_segments(dl_phdr_info* info, size_t, void*) {
  if (program.empty()) program_start = info->dlpi_addr;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    if (header.p_type != PT_LOAD) continue;
    uintptr_t start = info->dlpi_addr + header.p_vaddr;
    program.push_back({start, start + header.p_memsz});
  }
  return 0;
}

size_t region_offset(const void* p) { return static_cast<size_t>(static_cast<const unsigned char*>(p) - region); }

void check_access(const void* p, size_t bytes, Access access, const Origin& origin) {
  const auto* address = static_cast<const unsigned char*>(p);
  if (address >= region && address < region + region_bytes) {
    check_device(p, bytes, access, origin);
    return;
  }
  const Block& block = *running;
  if (address >= block.shared && address < block.shared + most_shared_bytes) {
    if (address + bytes > block.shared + block.shared_bytes) {
      fail("memcheck: %s %zu bytes at byte %ld of dynamic shared memory, of which the launch has %zu [%s]",
           verb(access), bytes, static_cast<long>(address - block.shared), block.shared_bytes, place(origin).c_str());
    }
    check_shared(static_cast<size_t>(address - block.shared), p, bytes, access, origin);
  } else if (find_shared_variable(p) != nullptr) {
    check_shared(most_shared_bytes + static_cast<size_t>(address - thread_local_storage()), p, bytes, access, origin);
  } else if (!is_other_memory(p, bytes)) {
    bad_address(p, bytes, access, origin);
  }
}

// --- hooks

void* reserve(size_t bytes) {
  if (region_used + bytes > region_bytes) return nullptr;
  void* memory = region + region_used;
  region_used += bytes;
  return memory;
}
void initialized(void* to, const void* from, size_t bytes) {
  bool from_device = from >= region && from < region + region_bytes;
  if (!(to >= region && to < region + region_bytes)) return;
  if (from_device) {
    std::memmove(written + region_offset(to), written + region_offset(from), bytes);
  } else {
    std::memset(written + region_offset(to), 1, bytes);
  }
}
void freed(void* p, size_t bytes) {
  // Gives the shadow's memory back.
  constexpr size_t page = 4096;
  auto release = [](void* start, size_t size) {
    auto first = (reinterpret_cast<uintptr_t>(start) + page - 1) / page * page;
    auto last = (reinterpret_cast<uintptr_t>(start) + size) / page * page;
    if (last > first) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
  };
  release(written + region_offset(p), bytes);
  release(device_shadow + region_offset(p), bytes * sizeof(Shadow));
}
void host_range(void* p, size_t bytes, bool live) {
  auto start = reinterpret_cast<uintptr_t>(p);
  if (live) {
    host_ranges.push_back({start, start + bytes});
  } else {
    std::erase_if(host_ranges, [start](const Range& range) { return range.start == start; });
  }
}
void launch_begins(const void* p, size_t bytes) {
  ++launch_number;
  block_order.begin_launch();
  arguments = {reinterpret_cast<uintptr_t>(p), reinterpret_cast<uintptr_t>(p) + bytes};
}
void block_begins(Block&) {
  ++block_number;
  busy = false;
  clocks.begin_block();
  fences.fill(0);
  if (banks_watched) bank_block();
}

constexpr CheckHooks hooks = {
    reserve,
    freed,
    initialized,
    host_range,
    [](const void* p, size_t bytes, Access access, Site site, bool asynchronous) {
      busy = true;
      check_access(p, bytes, access, Origin{0, site, asynchronous});
      busy = false;
    },
    [] { ++fences[current->linear]; },
    launch_begins,
    block_begins,
    [](const void* object) {
      clocks.release(object, current->linear / 32);
      if (banks_watched) bank_barrier(current->linear);
    },
    [](const void* object, Thread& thread) { clocks.acquire(object, thread.linear / 32); },
    [](Thread& thread) { clocks.sync_warp(thread.linear / 32); },
};

struct Installer {
  Installer() {
    region = static_cast<unsigned char*>(reserve_memory(region_bytes));
    mprotect(region, region_bytes, PROT_NONE);
    written = static_cast<unsigned char*>(reserve_memory(region_bytes));
    device_shadow = static_cast<Shadow*>(reserve_memory(region_bytes * sizeof(Shadow)));
    shared_shadow = static_cast<Shadow*>(reserve_memory((most_shared_bytes + (16u << 20)) * sizeof(Shadow)));
    dl_iterate_phdr(add_segments, nullptr);
    check_hooks = &hooks;
  }
} installer;

}  // namespace

void check_instruction(const void* p, size_t bytes, Access access, void* caller) {
  if (busy) return;
  auto code = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(caller) - program_start);
  if (current != nullptr) {
    busy = true;
    check_access(p, bytes, access, Origin{code, {}, false});
    busy = false;
  } else if (p >= region && p < region + region_bytes) {  // host code in a kernel file
    set_report(std::string("memcheck: host code ") + verb(access) + " device memory [" + place(code) + "]");
    make_sticky(cudaErrorLaunchFailure);
  }
}

}  // namespace emulator
