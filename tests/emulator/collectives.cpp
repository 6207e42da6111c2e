#include <algorithm>
#include <bit>

#include "block.h"
#include "check.h"

// Where threads wait for each other: the collectives of a warp and the barriers of a block.
namespace emulator {
namespace {

bool whole_warp(Collective kind) { return kind >= Collective::ldmatrix; }

/// Lane and mask must fit each other and the lanes that are still there.
void check_mask(const Warp& warp, uint32_t mask, Collective kind, Site site) {
  const Thread& thread = *current;
  if ((mask >> thread.lane & 1) == 0) {
    fail("%s at %s:%d: the calling lane %u is not in the mask 0x%08x", site.what, site.file, site.line, thread.lane,
         mask);
  }
  if (kind != Collective::syncwarp && (mask & warp.existed & ~warp.alive) != 0) {
    fail("%s at %s:%d: the mask 0x%08x names lanes 0x%08x that have exited", site.what, site.file, site.line, mask,
         mask & warp.existed & ~warp.alive);
  }
  if (whole_warp(kind) && warp.alive != ~0u) {
    fail("%s at %s:%d needs all 32 lanes of the warp; there are 0x%08x", site.what, site.file, site.line, warp.alive);
  }
}

/// The meeting of this mask, a new one if nobody has arrived yet.
Meeting& find_meeting(Warp& warp, uint32_t mask, Collective kind, Site site) {
  Meeting* found = nullptr;
  for (int i = 0; i < warp.meetings; ++i) {
    Meeting& other = warp.meeting[static_cast<size_t>(i)];
    if (other.mask == mask) found = &other;  // masks that overlap may wait for each other
  }
  if (found == nullptr) {
    if (warp.meetings == static_cast<int>(warp.meeting.size())) fail("a warp in more than eight parts that wait");
    found = &warp.meeting[static_cast<size_t>(warp.meetings++)];
    found->mask = mask;
    found->arrived = 0;
    found->kind = kind;
    found->site = site;
  }
  if (found->kind != kind) {
    fail("lanes of one warp meet in different collectives: %s at %s:%d and %s at %s:%d", site.what, site.file,
         site.line, found->site.what, found->site.file, found->site.line);
  }
  if (whole_warp(kind) && (found->site.line != site.line || found->site.file != site.file)) {
    fail("%s needs the whole warp at one place, but lanes are at %s:%d and %s:%d", site.what, site.file, site.line,
         found->site.file, found->site.line);
  }
  return *found;
}

void finish_meeting(Warp& warp, Meeting& meeting, Leader leader) {
  uint32_t arrived = meeting.arrived;
  if (meeting.kind == Collective::syncwarp) note_syncwarp();
  if (leader != nullptr) leader(meeting.arguments, arrived);
  Meeting& last = warp.meeting[static_cast<size_t>(--warp.meetings)];
  if (&meeting != &last) meeting = last;
  Thread* first = &running->threads[static_cast<size_t>(warp.first)];
  for (uint32_t rest = arrived; rest != 0; rest &= rest - 1) {
    Thread* thread = first + std::countr_zero(rest);
    if (thread != current) make_ready(thread);
  }
}

void release(Barrier& b) {
  b.result = b.votes;
  b.arrived = b.expected = b.votes = 0;
  for (Thread* thread : b.waiting) {
    note_acquire(&b, *thread);
    make_ready(thread);
  }
  b.waiting.clear();
}

void check_barrier(const Block& block, const Barrier& b, int id, int threads, Site site) {
  if (threads == 0) {
    if (block.live != block.size) {
      fail("%s at %s:%d after %d of %d threads have exited", site.what, site.file, site.line, block.size - block.live,
           block.size);
    }
    if (b.arrived != 0 && (b.site.line != site.line || b.site.file != site.file)) {
      fail("divergent %s: this thread is at %s:%d, %d others wait at %s:%d", site.what, site.file, site.line, b.arrived,
           b.site.file, b.site.line);
    }
  } else if (threads % 32 != 0 || threads > block.size) {
    fail("%s at %s:%d: barrier %d for %d threads in a block of %d", site.what, site.file, site.line, id, threads,
         block.size);
  } else if (b.arrived != 0 && b.expected != threads) {
    fail("%s at %s:%d: barrier %d for %d threads, others wait for %d at %s:%d", site.what, site.file, site.line, id,
         threads, b.expected, b.site.file, b.site.line);
  }
}

void arrive(Barrier& b, int id, int threads, bool wait, int votes, Site site) {
  Block& block = *running;
  check_barrier(block, b, id, threads, site);
  b.expected = threads == 0 ? block.size : threads;
  b.site = site;
  b.votes += votes;
  note_release(&b);
  if (++b.arrived == b.expected) {
    if (wait) note_acquire(&b);
    release(b);
  } else if (wait) {
    b.waiting.push_back(current);
    wait_at(site);
  }
}

}  // namespace

void meet(uint32_t mask, Collective kind, void* argument, Leader leader, Site site) {
  Thread& thread = *current;
  Warp& warp = *thread.warp;
  check_mask(warp, mask, kind, site);
  Meeting& meeting = find_meeting(warp, mask, kind, site);
  meeting.arguments[thread.lane] = argument;
  meeting.arrived |= 1u << thread.lane;
  if (meeting.arrived == (mask & warp.alive)) {
    finish_meeting(warp, meeting, leader);
  } else {
    wait_at(site);
  }
}

uint32_t active_mask() { return current->warp->alive; }

void barrier(int id, int threads, bool wait, Site site) {
  if (id < 0 || id >= barriers_per_block) fail("%s at %s:%d: barrier %d", site.what, site.file, site.line, id);
  arrive(running->barriers[static_cast<size_t>(id)], id, threads, wait, 0, site);
}

int barrier_reduce(int predicate, BarrierResult result, Site site) {
  Block& block = *running;
  Barrier& b = block.barriers[0];
  arrive(b, 0, 0, true, predicate, site);
  switch (result) {
    case BarrierResult::count:
      return b.result;
    case BarrierResult::all:
      return b.result == block.size;
    case BarrierResult::any:
      break;
  }
  return b.result != 0;
}

void leave_collectives(Thread* thread) {
  Block& block = *running;
  Warp& warp = *thread->warp;
  uint32_t bit = 1u << thread->lane;
  warp.alive &= ~bit;
  const Barrier& whole = block.barriers[0];
  if (whole.arrived != 0 && whole.expected == block.size) {
    fail("exits while %d threads wait in %s at %s:%d", whole.arrived, whole.site.what, whole.site.file,
         whole.site.line);
  }
  for (int i = 0; i < warp.meetings; ++i) {
    Meeting& meeting = warp.meeting[static_cast<size_t>(i)];
    if ((meeting.mask & bit) == 0) continue;
    if (meeting.kind != Collective::syncwarp) {
      fail("lane %u exits while lanes 0x%08x wait for it in %s at %s:%d", thread->lane, meeting.arrived,
           meeting.site.what, meeting.site.file, meeting.site.line);
    }
    if (meeting.arrived == (meeting.mask & warp.alive)) {
      finish_meeting(warp, meeting, nullptr);
      --i;
    }
  }
}

}  // namespace emulator
