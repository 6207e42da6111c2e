#include <fulmen/kernels/launch.h>

#include <atomic>
#include <cstdlib>
#include <cstring>

namespace fulmen {

namespace {

int best_isa() {
  __builtin_cpu_init();
  bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
            __builtin_cpu_supports("bmi2");
  bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl");
  return v4 ? 2 : v3 ? 1 : 0;
}

int choose_isa() {
  int best = best_isa();
  const char* asked = std::getenv("FULMEN_CPU");
  if (asked && asked[0] == 'v' && asked[1] >= '2' && asked[1] <= '4' && !asked[2]) {
    int wanted = asked[1] - '2';
    return wanted < best ? wanted : best;
  }
  return best;
}

}  // namespace

int cpu_isa() {
  static constinit std::atomic<int> chosen{-1};
  int isa = chosen.load(std::memory_order_relaxed);
  if (isa < 0) {
    isa = choose_isa();
    chosen.store(isa, std::memory_order_relaxed);
  }
  return isa;
}

}  // namespace fulmen
