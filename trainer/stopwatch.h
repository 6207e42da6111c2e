#pragma once
#include <cstdint>

namespace fulmen::trainer {

/// Wall-clock time since it was made.
class Stopwatch {
 public:
  Stopwatch();
  double seconds() const;

 private:
  int64_t started_;  // nanoseconds
};

}  // namespace fulmen::trainer
