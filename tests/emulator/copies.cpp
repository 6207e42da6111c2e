#include <emulator/matrix.h>

#include "block.h"
#include "copy_bytes.h"

// cp.async: groups of copies that one thread has under way.
namespace emulator {

struct AsyncCopy {
  unsigned char* to;
  const void* from;
  size_t bytes, valid;
  Site site;
};
struct AsyncCopies {
  std::vector<AsyncCopy> copies;     // in the order of issue
  std::vector<size_t> group_ends;    // numbers of copies, ascending
  size_t done = 0, groups_done = 0;  // from the front
};

namespace {

AsyncCopies& copies_of(Thread& thread) {
  if (thread.copies == nullptr) thread.copies = new AsyncCopies;
  return *thread.copies;
}

void run(const AsyncCopy& copy) {
  note_access(copy.to, copy.bytes, Access::write, copy.site);
  copy_bytes(copy.to, copy.from, copy.valid);
  fill_bytes(copy.to + copy.valid, 0, copy.bytes - copy.valid);
}

}  // namespace

void cp_async(void* shared, const void* global, int bytes, int valid, Site site) {
  auto size = static_cast<size_t>(bytes);
  if (reinterpret_cast<uintptr_t>(shared) % size != 0) {
    fail("cp.async at %s:%d: the shared address %p is not aligned to %d bytes", site.file, site.line, shared, bytes);
  }
  if (valid < 0 || valid > bytes) fail("cp.async at %s:%d: %d of %d bytes", site.file, site.line, valid, bytes);
  if (valid > 0 && reinterpret_cast<uintptr_t>(global) % size != 0) {
    fail("cp.async at %s:%d: the global address %p is not aligned to %d bytes", site.file, site.line, global, bytes);
  }
  if (!in_shared(shared, size)) {
    fail("cp.async at %s:%d: the destination %p is not in this block's shared memory", site.file, site.line, shared);
  }
  note_access(shared, size, Access::write, site);
  if (valid > 0) note_access(global, static_cast<size_t>(valid), Access::read, site);
  fill_bytes(shared, 0xff, size);
  copies_of(*current).copies.push_back(
      {static_cast<unsigned char*>(shared), global, size, static_cast<size_t>(valid), site});
}

void cp_async_commit() {
  AsyncCopies& mine = copies_of(*current);
  mine.group_ends.push_back(mine.copies.size());
}

void cp_async_wait(int pending) {
  AsyncCopies& mine = copies_of(*current);
  while (mine.group_ends.size() - mine.groups_done > static_cast<size_t>(pending)) {
    for (size_t end = mine.group_ends[mine.groups_done++]; mine.done < end; ++mine.done) run(mine.copies[mine.done]);
  }
  if (mine.done == mine.copies.size() && mine.groups_done == mine.group_ends.size()) {
    mine.copies.clear();
    mine.group_ends.clear();
    mine.done = mine.groups_done = 0;
  }
}

void drop_copies(Thread& thread) {
  delete thread.copies;
  thread.copies = nullptr;
}

void leave_copies(Thread& thread) {
  if (thread.copies == nullptr) return;
  size_t left = thread.copies->copies.size() - thread.copies->done;
  drop_copies(thread);
  if (left != 0) fail("exits with %zu cp.async copies that it never waited for", left);
}

}  // namespace emulator
