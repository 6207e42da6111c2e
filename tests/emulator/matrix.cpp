#include "block.h"

namespace emulator {

std::atomic<uint64_t> matrix_phases{0}, matrix_conflicts{0};

}  // namespace emulator
