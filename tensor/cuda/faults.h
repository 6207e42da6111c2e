#pragma once

namespace fulmen::cuda {

/// Throws what a kernel of the device reported (kernels/cuda.h), if anything; called after every synchronisation.
void throw_faults(int device);

}  // namespace fulmen::cuda
