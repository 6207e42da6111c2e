#include <fulmen/kernels/threads.h>
#include <sched.h>

#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace fulmen {

namespace {

std::atomic<int> configured{0};
thread_local constinit bool single_threaded = false;

/// Whole processors of a cgroup CPU quota; 0 if there is none.
int cgroup_quota() {
  double quota = 0, period = 0;
  if (std::FILE* file = std::fopen("/sys/fs/cgroup/cpu.max", "r")) {
    if (std::fscanf(file, "%lf %lf", &quota, &period) != 2) quota = 0;  // "max 100000": no quota
    std::fclose(file);
  }
  return quota > 0 && period > 0 ? static_cast<int>(std::ceil(quota / period)) : 0;
}

int available_processors() {
  if (const char* asked = std::getenv("OMP_NUM_THREADS")) {
    if (int n = std::atoi(asked); n > 0) return n;
  }
  cpu_set_t set;
  int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  if (int quota = cgroup_quota(); quota > 0 && quota < count) count = quota;
  return count;
}

}  // namespace

int get_num_threads() {
  if (single_threaded) return 1;
  int n = configured.load(std::memory_order_relaxed);
  if (n == 0) {
    n = available_processors();
    configured.store(n, std::memory_order_relaxed);
  }
  return n;
}
void set_num_threads(int count) { configured.store(count < 1 ? 1 : count, std::memory_order_relaxed); }

SingleThreaded::SingleThreaded() : before_(single_threaded) { single_threaded = true; }
SingleThreaded::~SingleThreaded() { single_threaded = before_; }

}  // namespace fulmen
