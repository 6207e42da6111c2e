#pragma once
#include <fulmen/kernels/threads.h>
#include <omp.h>

#include <cstdint>

// Only for files of kernels/cpu, which are compiled once per instruction set: everything lies in that set's namespace.
namespace fulmen::FULMEN_ISA {

/// Calls f(begin, end) on disjoint ranges that cover [0, n), on several threads if n is worth it: no range is shorter
/// than `grain` but the last. f must give the same result however the ranges fall.
template <class F>
void parallel_for(int64_t n, int64_t grain, const F& f) {
  if (n <= 0) return;
  int64_t pieces = (n + grain - 1) / grain;
  int64_t threads = pieces < 2 ? 1 : get_num_threads();
  if (threads > pieces) threads = pieces;
  if (threads <= 1 || omp_in_parallel()) {
    f(int64_t{0}, n);
    return;
  }
#pragma omp parallel num_threads(static_cast <int>(threads))
  {
    int64_t t = omp_get_thread_num(), count = omp_get_num_threads();
    int64_t begin = pieces * t / count * grain, end = pieces * (t + 1) / count * grain;
    if (end > n) end = n;
    if (begin < end) f(begin, end);
  }
}

}  // namespace fulmen::FULMEN_ISA
