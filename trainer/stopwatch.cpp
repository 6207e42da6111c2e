#include <fulmen/trainer/stopwatch.h>

#include <chrono>

namespace fulmen::trainer {
namespace {

int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Stopwatch::Stopwatch() : started_(now()) {}
double Stopwatch::seconds() const { return static_cast<double>(now() - started_) * 1e-9; }

}  // namespace fulmen::trainer
