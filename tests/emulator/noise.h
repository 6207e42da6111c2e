#pragma once
#include <bit>
#include <cmath>
#include <cstdint>

// Matrix instructions add up in an order and with roundings that NVIDIA does not document.
namespace emulator {

/// A sum as a GPU might give it, under settings().noise: up to 2 units in the last place away, the same ones for the
/// same sum.
inline float with_noise(float sum) {
  if (!std::isnormal(sum)) return sum;
  const auto bits = std::bit_cast<uint32_t>(sum);
  const uint32_t mixed = (bits ^ bits >> 15) * 0x9e3779b1u;
  const auto off = static_cast<int32_t>((mixed >> 16) % 5) - 2;
  const auto moved = std::bit_cast<float>(bits + static_cast<uint32_t>(off));
  return std::isnormal(moved) ? moved : sum;
}

}  // namespace emulator
