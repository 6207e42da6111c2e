#include <fulmen/tensor/cuda/devices.h>

#include <atomic>
#include <cstdlib>
#include <cstring>

#if !defined(FULMEN_EMULATED) && __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>
#else  // an emulated device has no profiler
static int nvtxRangePushA(const char*) { return 0; }
static int nvtxRangePop() { return 0; }
#endif

namespace fulmen::cuda {

namespace {
std::atomic<bool>& switched_on() {
  static std::atomic<bool> on{[] {
    const char* text = std::getenv("FULMEN_NVTX");
    return text && std::strcmp(text, "0") != 0;
  }()};
  return on;
}
}  // namespace

void set_nvtx(bool on) { switched_on() = on; }
bool nvtx_enabled() { return switched_on().load(std::memory_order_relaxed); }
void nvtx_push(const char* name) { nvtxRangePushA(name); }
void nvtx_pop() { nvtxRangePop(); }

NvtxRange::NvtxRange(const char* name) : on_(nvtx_enabled()) {
  if (on_) nvtx_push(name);
}
NvtxRange::~NvtxRange() {
  if (on_) nvtx_pop();
}

}  // namespace fulmen::cuda
