#include <fulmen/bench/kernels/bench.h>
#include <fulmen/tensor/cuda.h>

#include <cstdio>

namespace kernel_bench {

namespace {

/// "97.3", or nothing for what was not measured.
std::string number(double x, const char* format = "%.1f") {
  if (x == 0 || !times_count()) return "";
  char text[32];
  std::snprintf(text, sizeof text, format, x);
  return text;
}
std::string percent(double x) { return number(100 * x); }

std::string words_of(const Goal& goal) {
  std::string text;
  char part[64];
  auto add = [&](const char* format, double x) {
    if (x == 0) return;
    std::snprintf(part, sizeof part, format, x);
    text += (text.empty() ? "" : " and ") + std::string(part);
  };
  add("%.0f %% of the ceiling", 100 * goal.of_ceiling);
  add("%.0f %% of the library", 100 * goal.of_peer);
  add("%.0f %% of PyTorch", 100 * goal.of_pytorch);
  add("%.2f ms", goal.most_ms);
  return text;
}

std::string verdict_of(const Goal& goal, const Row& row) {
  if (!times_count()) return "not measured";
  if ((goal.of_ceiling > 0 && row.of_ceiling == 0) || (goal.of_peer > 0 && row.of_peer == 0)) return "not measured";
  const bool reached = row.of_ceiling >= goal.of_ceiling && row.of_peer >= goal.of_peer &&
                       (goal.most_ms == 0 || row.times.own.median <= goal.most_ms);
  return reached ? "ok" : "FAIL";
}

}  // namespace

const char* name_of(Ceiling ceiling) {
  static const char* const names[ceiling_count] = {"copy", "read", "float32", "tf32", "half"};
  return names[static_cast<int>(ceiling)];
}

Row judge(const Case& one, const Times& times, const Ceilings& ceilings) {
  Row row{.one = &one, .times = times, .goal = {}, .verdict = {}};
  const double work = one.flops > 0 ? one.flops : one.bytes, ceiling = ceilings[one.ceiling];
  if (times.own.median > 0) row.rate = work / times.own.median * 1e3;
  if (ceiling > 0) row.of_ceiling = row.rate / ceiling;
  if (times.own.median > 0 && times.peer.median > 0) row.of_peer = times.peer.median / times.own.median;
  if (const Goal* goal = goal_of(one)) {
    row.pytorch_goal = goal->of_pytorch;
    row.goal = words_of(*goal);
    row.verdict = verdict_of(*goal, row);
  }
  return row;
}

void print_head() {
  std::printf("%-34s %-26s %9s %14s %9s %-9s %9s %9s\n", "kernel", "shape", "ms", "", "% ceiling", "peer", "peer ms",
              "% of peer");
}

void print_row(const Row& row) {
  const Case& one = *row.one;
  const bool flops = one.flops > 0;
  const std::string rate = number(row.rate / 1e12, "%.2f");
  std::printf("%-34s %-26s %9s %7s %-6s %9s %-9s %9s %9s  %s\n", one.kernel.c_str(), one.shape.c_str(),
              number(row.times.own.median, "%.4f").c_str(), rate.c_str(),
              rate.empty() ? ""
              : flops      ? "TFLOP/s"
                           : "TB/s",
              percent(row.of_ceiling).c_str(), row.times.peer.median > 0 ? one.peer.c_str() : "",
              number(row.times.peer.median, "%.4f").c_str(), percent(row.of_peer).c_str(), row.verdict.c_str());
  if (row.verdict == "FAIL") {
    std::printf("FAIL %s %s: the goal is %s\n", one.kernel.c_str(), one.shape.c_str(), row.goal.c_str());
  }
}

bool write_csv(const std::string& path, const std::vector<Row>& rows, const Ceilings& ceilings) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) return false;
  std::fprintf(file,
               "kernel,shape,ms,spread_percent,rate,unit,ceiling,percent_of_ceiling,peer,peer_ms,percent_of_peer,"
               "pytorch_goal,goal,verdict\n");
  for (int c = 0; c < ceiling_count; ++c) {
    if (ceilings.of[c] == 0) continue;
    const char* unit = c <= static_cast<int>(Ceiling::read) ? "TB/s" : "TFLOP/s";
    std::fprintf(file, "ceiling/%s,,,,%s,%s,,,,,,,,\n", name_of(static_cast<Ceiling>(c)),
                 number(ceilings.of[c] / 1e12, "%.4g").c_str(), unit);
  }
  for (const Row& row : rows) {
    const Case& one = *row.one;
    std::fprintf(file, "%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%.0f,%s,%s\n", one.kernel.c_str(), one.shape.c_str(),
                 number(row.times.own.median, "%.6g").c_str(), percent(row.times.own.spread).c_str(),
                 number(row.rate / 1e12, "%.4g").c_str(), one.flops > 0 ? "TFLOP/s" : "TB/s", name_of(one.ceiling),
                 percent(row.of_ceiling).c_str(), one.peer.c_str(), number(row.times.peer.median, "%.6g").c_str(),
                 percent(row.of_peer).c_str(), 100 * row.pytorch_goal, row.goal.c_str(), row.verdict.c_str());
  }
  return std::fclose(file) == 0;
}

}  // namespace kernel_bench
