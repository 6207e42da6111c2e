#include <fulmen/bench/kernels/ladder/ladder.h>
#include <fulmen/bench/kernels/peers.h>
#include <fulmen/fulmen.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace kernel_bench {

using namespace fulmen;

namespace {

constexpr int warm_ups = 3, replays = 20;
constexpr double cache_bytes = 200e6;
constexpr double most_seconds = 4;  // of one case; then fewer replays

/// Runs over several sets of operands, recorded as one graph.
class Recording {
 public:
  Recording(const Prepare& prepare, int sets) : sets_(sets) {
    for (int s = 0; s < sets; ++s) runs_.push_back(prepare());
    for (const Run& run : runs_) run();  // libraries are loaded and workspaces made before
    cuda::synchronize();
    graph_.capture_begin();
    try {
      for (const Run& run : runs_) results_.push_back(run());
    } catch (...) {
      graph_.capture_abandon();
      throw;
    }
    graph_.capture_end();
  }
  ~Recording() { cuda::synchronize(); }
  Recording(const Recording&) = delete;

  /// Milliseconds of one run.
  double replay() {
    begin_.record();
    graph_.replay();
    end_.record();
    end_.synchronize();
    return static_cast<double>(begin_.elapsed_time(end_)) / sets_;
  }

 private:
  int sets_;
  std::vector<Run> runs_;
  cuda::CUDAGraph graph_;
  std::vector<Tensor> results_;  // lie beside each other, not one over the other
  cuda::Event begin_{true}, end_{true};
};

Time summary(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  const size_t n = times.size();
  const double median = n % 2 ? times[n / 2] : (times[n / 2 - 1] + times[n / 2]) / 2;
  return {median, median > 0 ? (times[n - 1 - n / 10] - times[n / 10]) / median : 0};
}

Case ceiling_of_memory(bool copy, const Scale& scale) {
  const int64_t n = scale.quick ? 4096 : int64_t{1} << 28;  // 1 GB: a copy moves 2
  return {.kernel = copy ? "ceiling/copy" : "ceiling/read",
          .shape = "",
          .bytes = (copy ? 8.0 : 4.0) * static_cast<double>(n),
          .operands = [copy, n]() -> Run {
            const Tensor x = randn({n}, TensorOptions(kFloat).device(kCUDA));
            const Tensor y = empty({copy ? n : 1 + 2048}, x.options());
            return [copy, n, x, y] {
              auto* stream = static_cast<cudaStream_t>(cuda::current_stream().handle());
              auto* to = const_cast<float*>(y.const_data_ptr<float>());
              if (copy) {
                ladder::copy_floats(to, x.const_data_ptr<float>(), n, stream);
              } else {
                ladder::sum_floats(to, to + 1, x.const_data_ptr<float>(), n, stream);
              }
              return Tensor();
            };
          }};
}

}  // namespace

Times measure(const Case& one, const Scale& scale) {
  const NoGradGuard no_grad;
  int sets = static_cast<int>(std::clamp(std::ceil(cache_bytes / std::max(one.bytes, 1.0)), 1.0, 24.0));
  if (scale.quick) sets = 2;
  Recording own(one.operands, sets);
  std::optional<Recording> peer;
  if (one.peer_operands) {
    try {
      peer.emplace(one.peer_operands, sets);
    } catch (const std::exception& e) {
      std::printf("%s of %s is left out: %s\n", one.kernel.c_str(), one.peer.c_str(), e.what());
    }
  }
  double once = 0;
  for (int i = 0; i < (scale.quick ? 1 : warm_ups); ++i) {
    once = own.replay() * sets;
    if (peer) once += peer->replay() * sets;
  }
  int count = scale.quick ? 2 : replays;
  while (count > 3 && once * count > most_seconds * 1e3) --count;
  std::vector<double> own_times, peer_times;
  for (int i = 0; i < count; ++i) {
    own_times.push_back(own.replay());
    if (peer) peer_times.push_back(peer->replay());
  }
  Times times;
  times.own = summary(own_times);
  if (peer) times.peer = summary(peer_times);
  return times;
}

void run_once(const Case& one) {
  const NoGradGuard no_grad;
  const Run run = one.operands();
  run();
  cuda::synchronize();
}

Ceilings measure_ceilings(const Scale& scale) {
  Ceilings ceilings;
  for (const bool copy : {true, false}) {
    const Case one = ceiling_of_memory(copy, scale);
    const double ms = measure(one, scale).own.median;
    ceilings.of[static_cast<int>(copy ? Ceiling::copy : Ceiling::read)] = ms > 0 ? one.bytes / ms * 1e3 : 0;
  }
  for (const Case& one : product_ceilings(scale)) {
    const double ms = measure(one, scale).own.median;
    ceilings.of[static_cast<int>(one.ceiling)] = ms > 0 ? one.flops / ms * 1e3 : 0;
  }
  return ceilings;
}

bool times_count() {
#ifdef FULMEN_EMULATED
  return false;
#else
  return true;
#endif
}

}  // namespace kernel_bench
