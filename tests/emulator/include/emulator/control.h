#pragma once
#include <cstdint>
#include <string>

// What tests ask of the emulator. The environment sets the defaults: FULMEN_EMU_ORDER, FULMEN_EMU_STREAMS,
// FULMEN_EMU_SEED, FULMEN_EMU_THREADS (host threads).
namespace emulator {

/// Which thread and which block runs first.
enum class Order { forward, reverse, random };
/// When the work of a stream runs: at once, as late as something waits for it, or anywhere between.
enum class Streams { eager, lazy, random };

struct Settings {
  Order order = Order::forward;
  Streams streams = Streams::eager;
  uint64_t seed = 1;
  int threads = 1;
  /// Bytes of memory of each device: FULMEN_EMU_MEMORY, in MiB.
  uint64_t memory = uint64_t{8} << 30;
  /// Compute capability times ten: FULMEN_EMU_CAPABILITY.
  int capability = 90;
  /// How many devices there are, at most 8: FULMEN_EMU_DEVICES.
  int devices = 1;
  /// Sums of matrix instructions are a little off, as a GPU's own are: FULMEN_EMU_NOISE=1.
  bool noise = false;
  /// Whether NVIDIA's optional libraries can be opened; FULMEN_EMU_LIBRARIES=none: no.
  bool libraries = true;
};
Settings& settings();

/// What the last launch that failed did wrong, and where; empty if none did since reset().
std::string report();
/// Forgets sticky errors and the report. Unlike cudaDeviceReset() it keeps memory and streams.
void reset();
/// True if kernels are compiled with checks of every access (memory, races, initialisation).
bool checked();

/// Counts since the process began or reset_counters().
struct Counters {
  uint64_t launches = 0, blocks = 0;
  /// ldmatrix and stmatrix: eight rows of 16 bytes at a time; `conflicts` are the extra cycles beyond one per phase.
  uint64_t matrix_phases = 0, matrix_conflicts = 0;
  /// Bytes of live allocations of all devices, and the most there were.
  uint64_t device_bytes = 0, device_peak = 0;
};
Counters counters();
void reset_counters();

}  // namespace emulator
