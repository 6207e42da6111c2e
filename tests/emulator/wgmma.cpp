#include <emulator/control.h>
#include <emulator/hopper.h>
#include <fulmen/kernels/dtype.h>

#include <algorithm>

#include "block.h"
#include "check.h"
#include "noise.h"
#include "tensor_map.h"

// wgmma: the last of 128 threads to arrive works for the warpgroup. Products read shared memory when the warpgroup
// waits for them.
namespace emulator {
namespace {

constexpr int rows_of_a = 64, most_columns = 256, most_depth = 16;

/// All 128 threads arrive at one place; the last one calls `leader` with what they passed.
template <class Leader>
void meet_warpgroup(const void* argument, Site site, Leader leader) {
  Block& block = *running;
  size_t index = current->linear / 128, first = index * 128;
  Warpgroup& group = block.warpgroups[index];
  if (first + 128 > static_cast<size_t>(block.size)) {
    fail("%s at %s:%d in a warpgroup of fewer than 128 threads", site.what, site.file, site.line);
  }
  if (group.arrived != 0 && (group.site.line != site.line || group.site.file != site.file)) {
    fail("%s needs the whole warpgroup at one place, but threads are at %s:%d and %s:%d", site.what, site.file,
         site.line, group.site.file, group.site.line);
  }
  group.site = site;
  group.arguments[current->linear % 128] = argument;
  if (++group.arrived < 128) {
    note_release(&group);
    wait_at(site);
    return;
  }
  group.arrived = 0;
  note_release(&group);
  for (size_t i = first; i < first + 128; i += 32) note_acquire(&group, block.threads[i]);
  leader(group);
  note_release(&group);  // what the products read, they read for all four warps
  for (size_t i = first; i < first + 128; ++i) {
    if (i % 32 == 0) note_acquire(&group, block.threads[i]);
    if (&block.threads[i] != current) make_ready(&block.threads[i]);
  }
}

// --- operands in shared memory

struct Descriptor {
  size_t start, leading, stride;
  int swizzle;  // CUtensorMapSwizzle: 0 to 3
};
Descriptor decode(uint64_t bits) {
  if ((bits >> 49 & 7) != 0) fail("wgmma: a descriptor with a base offset");
  auto field = [bits](int shift) { return static_cast<size_t>(bits >> shift & 0x3fff) << 4; };
  return {field(0), field(16), field(32), static_cast<int>((4 - (bits >> 62)) % 4)};
}

/// The address of 16 bytes: of `line` (a row if the operand is k major, a k if not) the chunk number `chunk`.
size_t chunk_offset(const Descriptor& d, bool mn_major, size_t line, size_t chunk) {
  size_t span = size_t{16} << d.swizzle, chunks = span / 16;  // chunks to a span
  if (d.swizzle == 0) {
    size_t next_line = mn_major ? d.leading : d.stride, next_chunk = mn_major ? d.stride : d.leading;
    return d.start + line / 8 * next_line + line % 8 * 16 + chunk * next_chunk;
  }
  return d.start + line / 8 * d.stride + line % 8 * span + chunk % chunks * 16 + chunk / chunks * d.leading;
}

void unpack_chunk(const unsigned char* bytes, Operand operand, float* values) {
  if (operand == Operand::tf32) {
    const auto* words = reinterpret_cast<const uint32_t*>(bytes);
    for (int i = 0; i < 4; ++i) values[i] = std::bit_cast<float>(words[i] & 0xffffe000u);
    return;
  }
  const auto* halves = reinterpret_cast<const uint16_t*>(bytes);
  for (int i = 0; i < 8; ++i) {
    values[i] = operand == Operand::half ? fulmen::Half::to_float(halves[i])
                                         : std::bit_cast<float>(static_cast<uint32_t>(halves[i]) << 16);
  }
}

/// The operand as values[line * per_line + i]: lines are rows (k major) or k (mn major).
void read_operand(uint64_t bits, Operand operand, bool mn_major, size_t lines, size_t per_line, float* values) {
  Descriptor d = decode(bits);
  Block& block = *running;
  size_t per_chunk = operand == Operand::tf32 ? 4 : 8;
  for (size_t line = 0; line < lines; ++line) {
    for (size_t chunk = 0; chunk < per_line / per_chunk; ++chunk) {
      size_t at = swizzled(chunk_offset(d, mn_major, line, chunk), d.swizzle);
      if (at + 16 > block.shared_bytes) {
        fail("wgmma: an operand reaches byte %zu of %zu bytes of dynamic shared memory", at + 16, block.shared_bytes);
      }
      note_async_access(block.shared + at, 16, Access::read, Site{"wgmma", "", 0});
      unpack_chunk(block.shared + at, operand, values + line * per_line + chunk * per_chunk);
    }
  }
}

void transpose(const float* from, size_t rows, size_t columns, float* to) {
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < columns; ++c) to[c * rows + r] = from[r * columns + c];
  }
}

/// a[row * depth + k] from the registers of four warps.
void read_registers(const WarpgroupOperation& operation, size_t depth, float* a) {
  bool tf32 = operation.product.operand == Operand::tf32;
  for (size_t thread = 0; thread < 128; ++thread) {
    size_t g = thread % 32 / 4, t = thread % 4;
    for (size_t i = 0; i < 4; ++i) {
      uint32_t bits = operation.a[thread][i];
      size_t row = thread / 32 * 16 + g + i % 2 * 8, k = i / 2 * depth / 2 + (tf32 ? t : 2 * t);
      if (tf32) {
        a[row * depth + k] = std::bit_cast<float>(bits & 0xffffe000u);
        continue;
      }
      for (size_t e = 0; e < 2; ++e) {
        auto half = static_cast<uint16_t>(bits >> (16 * e));
        a[row * depth + k + e] = operation.product.operand == Operand::half
                                     ? fulmen::Half::to_float(half)
                                     : std::bit_cast<float>(static_cast<uint32_t>(half) << 16);
      }
    }
  }
}

void run(const WarpgroupOperation& operation) {
  const WarpgroupProduct& p = operation.product;
  size_t depth = p.operand == Operand::tf32 ? 8 : 16, columns = static_cast<size_t>(p.columns);
  alignas(64) static thread_local float read[most_columns * most_depth], a[rows_of_a * most_depth],
      b[most_depth * most_columns];
  if (p.a_registers != nullptr) {
    read_registers(operation, depth, a);
  } else if (p.a_transposed) {
    read_operand(p.a, p.operand, true, depth, rows_of_a, read);
    transpose(read, depth, rows_of_a, a);
  } else {
    read_operand(p.a, p.operand, false, rows_of_a, depth, a);
  }
  if (p.b_transposed) {
    read_operand(p.b, p.operand, true, depth, columns, b);
  } else {
    read_operand(p.b, p.operand, false, columns, depth, read);
    transpose(read, columns, depth, b);
  }
  const bool noise = settings().noise;
  for (size_t row = 0; row < rows_of_a; ++row) {
    alignas(64) float sums[most_columns] = {};
    for (size_t k = 0; k < depth; ++k) {
      float factor = a[row * depth + k];
      const float* values = b + k * columns;
      for (size_t c = 0; c < columns; ++c) sums[c] += factor * values[c];
    }
    size_t warp = row / 16, g = row % 8, lower = row % 16 / 8;
    for (size_t c = 0; c < columns; ++c) {
      float& d = operation.d[warp * 32 + g * 4 + c % 8 / 2][c / 8 * 4 + lower * 2 + c % 2];
      d = p.accumulate ? d + sums[c] : sums[c];
      if (noise) d = with_noise(d);
    }
  }
}

}  // namespace

void wgmma(const WarpgroupProduct& product, Site site) {
  meet_warpgroup(&product, site, [site](Warpgroup& group) {
    WarpgroupOperation operation;
    operation.product = *static_cast<const WarpgroupProduct*>(group.arguments[0]);
    if (!group.fenced) fail("wgmma at %s:%d without a wgmma_fence() before it", site.file, site.line);
    for (size_t i = 0; i < 128; ++i) {
      const auto& own = *static_cast<const WarpgroupProduct*>(group.arguments[i]);
      if (own.a != operation.product.a || own.b != operation.product.b ||
          own.accumulate != operation.product.accumulate) {
        fail("wgmma at %s:%d: threads of one warpgroup pass different descriptors", site.file, site.line);
      }
      operation.d[i] = own.d;
      if (own.a_registers != nullptr) std::copy(own.a_registers, own.a_registers + 4, operation.a[i].begin());
    }
    group.open.push_back(operation);
  });
}
void wgmma_fence() { running->warpgroups[current->linear / 128].fenced = true; }
void wgmma_commit(Site site) {
  meet_warpgroup(nullptr, site, [](Warpgroup& group) {
    group.groups.push_back(std::move(group.open));
    group.open.clear();
    group.fenced = false;
  });
}
void wgmma_wait(int pending, Site site) {
  meet_warpgroup(nullptr, site, [pending](Warpgroup& group) {
    while (group.groups.size() > static_cast<size_t>(pending)) {
      for (const WarpgroupOperation& operation : group.groups.front()) run(operation);
      group.groups.pop_front();
    }
  });
}

}  // namespace emulator
