#pragma once
#include <cstddef>
#include <cstdint>

// What check.cpp tells the count of bank conflicts (emulator/banks.h).
namespace emulator {

extern bool banks_watched;

void bank_access(uint32_t thread, uint32_t code, size_t offset, size_t bytes, bool write);
void bank_barrier(uint32_t thread);
void bank_block();

}  // namespace emulator
