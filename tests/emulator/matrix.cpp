#include <emulator/control.h>
#include <emulator/matrix.h>
#include <fulmen/kernels/dtype.h>

#include <bit>

#include "block.h"
#include "copy_bytes.h"
#include "noise.h"

// ldmatrix, stmatrix and mma: the last lane to arrive works for the warp.
namespace emulator {

std::atomic<uint64_t> matrix_phases{0}, matrix_conflicts{0};

namespace {

struct MatrixAccess {
  uint32_t* registers;
  unsigned char* row;
  int count;
  bool transposed, store;
  Site site;
};

/// Eight rows of 16 bytes go through 32 banks of 4 bytes: rows in the same eighth of 128 bytes take turns, unless they
/// are the same row.
void count_conflicts(unsigned char* const (&rows)[8]) {
  uint64_t most = 1;
  for (int i = 0; i < 8; ++i) {
    uint64_t turns = 0;
    for (int j = 0; j < 8; ++j) {
      bool same_bank = (reinterpret_cast<uintptr_t>(rows[i]) ^ reinterpret_cast<uintptr_t>(rows[j])) % 128 < 16;
      bool seen = false;
      for (int k = 0; k < j; ++k) seen = seen || rows[k] == rows[j];
      turns += same_bank && !seen;
    }
    most = turns > most ? turns : most;
  }
  matrix_phases.fetch_add(1, std::memory_order_relaxed);
  matrix_conflicts.fetch_add(most - 1, std::memory_order_relaxed);
}

/// The rows of matrix `m`, after all checks.
void find_rows(void** arguments, int m, unsigned char* (&rows)[8]) {
  for (int r = 0; r < 8; ++r) {
    int lane = 8 * m + r;
    const auto& access = *static_cast<MatrixAccess*>(arguments[lane]);
    rows[r] = access.row;
    if (reinterpret_cast<uintptr_t>(access.row) % 16 != 0) {
      fail("%s at %s:%d: the row address of lane %d, %p, is not aligned to 16 bytes", access.site.what,
           access.site.file, access.site.line, lane, static_cast<void*>(access.row));
    }
    if (!in_shared(access.row, 16)) {
      fail("%s at %s:%d: the row address of lane %d, %p, is not in shared memory", access.site.what, access.site.file,
           access.site.line, lane, static_cast<void*>(access.row));
    }
    note_access(access.row, 16, access.store ? Access::write : Access::read, access.site);
  }
  count_conflicts(rows);
}

void access_matrices(void** arguments, uint32_t) {
  const MatrixAccess first = *static_cast<MatrixAccess*>(arguments[0]);
  for (int m = 0; m < first.count; ++m) {
    unsigned char* rows[8];
    find_rows(arguments, m, rows);
    for (int lane = 0; lane < 32; ++lane) {
      uint32_t& whole = static_cast<MatrixAccess*>(arguments[lane])->registers[m];
      for (int half = 0; half < 2; ++half) {
        int row = lane / 4, column = lane % 4 * 2 + half;
        if (first.transposed) std::swap(row, column);
        auto* element = reinterpret_cast<uint16_t*>(rows[row] + column * 2);
        if (first.store) {
          *element = static_cast<uint16_t>(whole >> (16 * half));
        } else {
          whole = (half == 0 ? 0 : whole) | static_cast<uint32_t>(*element) << (16 * half);
        }
      }
    }
  }
}

struct Product {
  float* d;
  const uint32_t *a, *b;
  Operand operand;
};

/// The two elements of a register; one in the case of TF32.
void unpack(uint32_t bits, Operand operand, float (&values)[2]) {
  switch (operand) {
    case Operand::half:
      values[0] = fulmen::Half::to_float(static_cast<uint16_t>(bits));
      values[1] = fulmen::Half::to_float(static_cast<uint16_t>(bits >> 16));
      return;
    case Operand::bfloat16:
      values[0] = std::bit_cast<float>(bits << 16);
      values[1] = std::bit_cast<float>(bits & 0xffff0000u);
      return;
    case Operand::tf32:
      values[0] = std::bit_cast<float>(bits & 0xffffe000u);
      return;
  }
}

void multiply(void** arguments, uint32_t) {
  Operand operand = static_cast<Product*>(arguments[0])->operand;
  int per_register = operand == Operand::tf32 ? 1 : 2, depth = 8 * per_register;
  float a[16][16], b[16][8], values[2];  // a (row, k), b (k, column)
  for (int lane = 0; lane < 32; ++lane) {
    const auto& p = *static_cast<Product*>(arguments[lane]);
    int g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; ++i) {
      unpack(p.a[i], operand, values);
      for (int e = 0; e < per_register; ++e) a[g + i % 2 * 8][t * per_register + i / 2 * depth / 2 + e] = values[e];
    }
    for (int i = 0; i < 2; ++i) {
      unpack(p.b[i], operand, values);
      for (int e = 0; e < per_register; ++e) b[t * per_register + i * depth / 2 + e][g] = values[e];
    }
  }
  float sums[16][8] = {};
  for (int row = 0; row < 16; ++row) {
    for (int k = 0; k < depth; ++k) {
      for (int column = 0; column < 8; ++column) sums[row][column] += a[row][k] * b[k][column];
    }
  }
  const bool noise = settings().noise;
  for (int lane = 0; lane < 32; ++lane) {
    float* d = static_cast<Product*>(arguments[lane])->d;
    for (int i = 0; i < 4; ++i) {
      d[i] += sums[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
      if (noise) d[i] = with_noise(d[i]);
    }
  }
}

}  // namespace

void ldmatrix(uint32_t* registers, const void* row, int count, bool transposed, Site site) {
  MatrixAccess mine{registers, static_cast<unsigned char*>(const_cast<void*>(row)), count, transposed, false, site};
  meet(~0u, Collective::ldmatrix, &mine, access_matrices, site);
}
void stmatrix(void* row, const uint32_t* registers, int count, bool transposed, Site site) {
  MatrixAccess mine{const_cast<uint32_t*>(registers), static_cast<unsigned char*>(row), count, transposed, true, site};
  meet(~0u, Collective::stmatrix, &mine, access_matrices, site);
}
void mma(float* d, const uint32_t* a, const uint32_t* b, Operand operand, Site site) {
  Product mine{d, a, b, operand};
  meet(~0u, Collective::mma, &mine, multiply, site);
}

}  // namespace emulator
