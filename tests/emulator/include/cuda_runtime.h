#pragma once
// Shadows NVIDIA's header: the same sources, host code and kernels, compile against the emulator. Kernel files are
// compiled as C++ with FULMEN_GPU_CODE and get the device side as well.
#include <emulator/language.h>
#include <emulator/runtime_api.h>
#ifdef FULMEN_GPU_CODE
#include <emulator/atomics.h>
#include <emulator/checked.h>
#include <emulator/hopper.h>
#include <emulator/intrinsics.h>
#include <emulator/launch.h>
#include <emulator/matrix.h>
#include <emulator/thread.h>
#include <emulator/warp.h>
#endif
