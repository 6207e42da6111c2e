#pragma once
// How many threads kernels use, for rooms that do not look into kernels/.
#include <fulmen/kernels/threads.h>  // IWYU pragma: export
