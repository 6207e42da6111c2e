#pragma once

namespace fulmen {

/// How many threads a large kernel may use on the calling thread's behalf. Default: the processors this process may run
/// on (affinity and cgroup quota counted), or OMP_NUM_THREADS. Results do not depend on it.
int get_num_threads();
/// At least 1; applies to the whole process.
void set_num_threads(int count);

/// Kernels started by this thread stay on it while the scope lives (data loader workers).
class SingleThreaded {
 public:
  SingleThreaded();
  ~SingleThreaded();
  SingleThreaded(const SingleThreaded&) = delete;

 private:
  bool before_;
};

}  // namespace fulmen
