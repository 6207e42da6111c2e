#pragma once

// The benchmarks are written once, in the part of the API that Fulmen and LibTorch share, and built twice: by CMake
// with Fulmen, and by compare.py with LibTorch (FULMEN_BENCH_LIBTORCH). So both sides do the same work.
#ifdef FULMEN_BENCH_LIBTORCH
#include <torch/torch.h>
namespace fulmen = torch;
#else
#include <fulmen/fulmen.h>
#endif
