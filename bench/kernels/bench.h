#pragma once
#include <fulmen/tensor/tensor.h>

#include <functional>
#include <string>
#include <vector>

// kernels: what every CUDA kernel reaches on a device, against the device's own ceilings of the day and against
// NVIDIA's libraries. See docs/kernels.md.
namespace kernel_bench {

using fulmen::Tensor;

/// Enqueues one operation; what it returns stays alive until the recorded work has been replayed for the last time.
using Run = std::function<Tensor()>;
/// Makes one set of operands, with random numbers, and the operation on them.
using Prepare = std::function<Run()>;

/// What the hardware allows, measured on the same day: bytes per second or operations per second.
enum class Ceiling { copy, read, float32, tf32, half };
inline constexpr int ceiling_count = 5;
const char* name_of(Ceiling ceiling);

/// One line of the table.
struct Case {
  std::string kernel;  ///< "softmax/forward"; rungs of a ladder: "softmax_3_shuffle"
  std::string shape;   ///< "16384x4096 float32"
  double bytes = 0;    ///< the least that must be read and written
  double flops = 0;    ///< operations, where they and not the bytes are the limit
  Ceiling ceiling = Ceiling::copy;
  Prepare operands;
  std::string peer = {};  ///< "cuBLASLt", "cuDNN"
  Prepare peer_operands = {};
  std::string idea = {};  ///< rungs: what is new
};

/// Milliseconds of one run.
struct Time {
  double median = 0;
  double spread = 0;  ///< (90th - 10th percentile) / median
};
struct Times {
  Time own, peer;  ///< median 0: not measured
};

/// How much is done: everything, or sizes that show that it runs (a test, the emulator).
struct Scale {
  bool quick = false;
  int64_t operator()(int64_t n) const { return quick && n > 96 ? 96 : n; }
};

std::vector<Case> memory_cases(const Scale& scale);
std::vector<Case> loss_and_optimizer_cases(const Scale& scale);
std::vector<Case> gemm_cases(const Scale& scale);
std::vector<Case> ladder_cases(const Scale& scale);

/// Records the runs over enough sets of operands that none finds its own in the cache, replays 3 times to warm up and
/// 20 times for the median, own and peer in turn.
Times measure(const Case& one, const Scale& scale);
/// Runs it once, without a graph: for profilers.
void run_once(const Case& one);

/// Every rung of the ladders, and the library's kernel, against sums in double at small sizes; the number that failed.
int check_ladders(const std::string& filter);

/// The measured ceilings; 0 where nothing could measure one.
struct Ceilings {
  double of[ceiling_count] = {};
  double operator[](Ceiling c) const { return of[static_cast<int>(c)]; }
};
Ceilings measure_ceilings(const Scale& scale);

/// What is asked of a kernel. `kernel` and `shape` are beginnings of a case's; numbers that are 0 ask nothing.
struct Goal {
  const char* kernel;
  const char* shape;
  double of_ceiling;  ///< fraction
  double of_peer;     ///< peer's time / own time
  double of_pytorch;  ///< the same for PyTorch, which scripts/gpu_check measures
  double most_ms;
};
/// The first goal of the table that fits, or null.
const Goal* goal_of(const Case& one);

/// One measured case, as the table and the CSV file show it.
struct Row {
  const Case* one;
  Times times;
  double rate = 0;        ///< bytes or operations per second
  double of_ceiling = 0;  ///< fraction, 0 if unknown
  double of_peer = 0;
  double pytorch_goal = 0;
  std::string goal, verdict;  ///< "ok", "FAIL", "not measured", or empty: nothing is asked
};
Row judge(const Case& one, const Times& times, const Ceilings& ceilings);
void print_head();
void print_row(const Row& row);
bool write_csv(const std::string& path, const std::vector<Row>& rows, const Ceilings& ceilings);

/// Whether times mean something: false on the emulator.
bool times_count();

}  // namespace kernel_bench
