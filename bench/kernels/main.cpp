#include <fulmen/bench/kernels/bench.h>
#include <fulmen/tensor/cuda.h>

#include <cstdio>
#include <cstring>

// kernels [--list] [--filter TEXT]... [--csv FILE] [--quick] [--once] [--check]
//   --filter  only cases whose "kernel shape" contains one of the texts
//   --check   the rungs of the ladders against sums in double, at small sizes; nothing is timed
//   --quick   small sizes: shows that everything runs
//   --once    runs every case once: for profilers
// Exit status: 0, 1 if a check fails or a goal is missed, 2 for wrong arguments and files, 3 if there is no CUDA
// device.
namespace kernel_bench {
namespace {

struct Options {
  bool list = false, quick = false, once = false, check = false;
  std::vector<std::string> filters;
  std::string csv;
};

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--list") {
      options.list = true;
    } else if (flag == "--quick") {
      options.quick = true;
    } else if (flag == "--once") {
      options.once = true;
    } else if (flag == "--check") {
      options.check = true;
    } else if (flag == "--filter" && i + 1 < argc) {
      options.filters.emplace_back(argv[++i]);
    } else if (flag == "--csv" && i + 1 < argc) {
      options.csv = argv[++i];
    } else {
      std::fprintf(stderr,
                   "kernels: unknown argument %s\n"
                   "usage: kernels [--list] [--filter TEXT]... [--csv FILE] [--quick] [--once] [--check]\n",
                   flag.c_str());
      return false;
    }
  }
  return true;
}

bool wanted(const Case& one, const Options& options) {
  if (options.filters.empty()) return true;
  const std::string name = one.kernel + " " + one.shape;
  for (const std::string& filter : options.filters) {
    if (name.find(filter) != std::string::npos) return true;
  }
  return false;
}

std::vector<Case> cases_for(const Options& options) {
  std::vector<Case> wanted_cases;
  const Scale scale{options.quick};
  for (auto* family : {memory_cases, loss_and_optimizer_cases, gemm_cases, ladder_cases}) {
    for (Case& one : family(scale)) {
      if (wanted(one, options)) wanted_cases.push_back(std::move(one));
    }
  }
  return wanted_cases;
}

int time_all(const Options& options, const std::vector<Case>& cases) {
  if (!times_count()) std::printf("The device is emulated: everything runs, nothing is timed.\n");
  const Scale scale{options.quick};
  const Ceilings ceilings = measure_ceilings(scale);
  print_head();
  std::vector<Row> rows;
  int failed = 0;
  for (const Case& one : cases) {
    try {
      rows.push_back(judge(one, measure(one, scale), ceilings));
      print_row(rows.back());
      failed += rows.back().verdict == "FAIL";
    } catch (const std::exception& e) {
      std::printf("FAIL %s %s: %s\n", one.kernel.c_str(), one.shape.c_str(), e.what());
      ++failed;
    }
    std::fflush(stdout);
    fulmen::cuda::empty_cache();
    if (!options.csv.empty() && !write_csv(options.csv, rows, ceilings)) {  // complete, should time run out
      std::fprintf(stderr, "kernels: cannot write %s\n", options.csv.c_str());
      return 2;
    }
  }
  std::printf("%zu cases, %d FAIL\n", cases.size(), failed);
  return failed == 0 ? 0 : 1;
}

int run(const Options& options) {
  if (options.list) {
    for (const Case& one : cases_for(options)) {
      std::printf("%-30s %-28s %s\n", one.kernel.c_str(), one.shape.c_str(), one.idea.c_str());
    }
    return 0;
  }
  if (!fulmen::cuda::is_available()) {
    std::printf("kernels: no CUDA device: %s\n", fulmen::cuda::why_not_available().c_str());
    return 3;
  }
  if (options.check) return check_ladders(options.filters.empty() ? "" : options.filters[0]) == 0 ? 0 : 1;
  const std::vector<Case> cases = cases_for(options);
  if (!options.once) return time_all(options, cases);
  for (const Case& one : cases) run_once(one);
  return 0;
}

}  // namespace
}  // namespace kernel_bench

int main(int argc, char** argv) {
  kernel_bench::Options options;
  if (!kernel_bench::parse(argc, argv, options)) return 2;
  try {
    return kernel_bench::run(options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "kernels: %s\n", e.what());
    return 1;
  }
}
