#include <emulator/control.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "runtime.h"

namespace emulator {
namespace {

bool environment_is(const char* name, const char* value) {
  const char* found = std::getenv(name);
  return found != nullptr && std::strcmp(found, value) == 0;
}
uint64_t environment_number(const char* name, uint64_t otherwise) {
  const char* found = std::getenv(name);
  return found == nullptr ? otherwise : std::strtoull(found, nullptr, 10);
}

Settings from_environment() {
  Settings s;
  if (environment_is("FULMEN_EMU_ORDER", "reverse")) s.order = Order::reverse;
  if (environment_is("FULMEN_EMU_ORDER", "random")) s.order = Order::random;
  if (environment_is("FULMEN_EMU_STREAMS", "lazy")) s.streams = Streams::lazy;
  if (environment_is("FULMEN_EMU_STREAMS", "random")) s.streams = Streams::random;
  s.seed = environment_number("FULMEN_EMU_SEED", 1);
  unsigned cores = std::thread::hardware_concurrency();
  s.threads = static_cast<int>(environment_number("FULMEN_EMU_THREADS", cores == 0 ? 1 : cores));
  if (s.threads < 1) s.threads = 1;
  s.memory = environment_number("FULMEN_EMU_MEMORY", 8192) << 20;
  s.capability = static_cast<int>(environment_number("FULMEN_EMU_CAPABILITY", 90));
  s.devices = static_cast<int>(std::clamp<uint64_t>(environment_number("FULMEN_EMU_DEVICES", 1), 1, most_devices));
  s.noise = environment_is("FULMEN_EMU_NOISE", "1");
  s.libraries = !environment_is("FULMEN_EMU_LIBRARIES", "none");
  return s;
}

}  // namespace

Settings& settings() {
  static Settings current_settings = from_environment();
  return current_settings;
}

}  // namespace emulator
