#include <fulmen/tensor/cuda.h>

#include <cstdio>
#include <cstring>
#include <set>

#include "tests/op_table/op_table.h"

// op_table [--device cpu|cuda] [--filter TEXT] [--list] [--speed] [--verbose]
namespace op_table {
namespace {

struct Options {
  Device device{kCPU};
  std::string filter;
  bool list = false, speed = false, verbose = false;
};

int usage(const char* problem) {
  std::fprintf(stderr,
               "op_table: %s\nusage: op_table [--device cpu|cuda] [--filter TEXT] [--list] [--speed] [--verbose]\n",
               problem);
  return 2;
}

/// "sum/dim" is a row of the op "sum".
std::string op_of(const std::string& row) { return row.substr(0, row.find('/')); }

void print_list(const Table& table) {
  std::set<std::string> names;
  for (const auto& row : table.rows) {
    names.insert(op_of(row->name));
    names.insert(row->covers_.begin(), row->covers_.end());
  }
  for (const std::string& name : names) std::printf("%s\n", name.c_str());
}

void print_speed(const Row& row, const Device& device) {
  double ns = speed(row, device);
  if (ns == 0) return;
  int64_t elements = 0;
  for (const auto& shape : row.large_) {
    int64_t n = 1;
    for (int64_t s : shape) n *= s;
    elements += n;
  }
  std::printf("%-28s %12.0f ns  %7.2f ns per 1000 input elements\n", row.name.c_str(), ns,
              1000 * ns / static_cast<double>(elements));
}

int run(const Options& options, const Table& table) {
  int counts[3] = {0, 0, 0};
  for (const auto& row : table.rows) {
    if (row->name.find(options.filter) == std::string::npos) continue;
    if (options.speed) {
      print_speed(*row, options.device);
      continue;
    }
    for (const Result& r : check(*row, options.device)) {
      ++counts[r.kind];
      static const char* words[] = {"ok     ", "FAILED ", "skipped"};
      if (r.kind == Result::Passed && !options.verbose) continue;
      std::printf("%s %s: %s%s%s\n", words[r.kind], row->name.c_str(), r.check.c_str(), r.detail.empty() ? "" : ": ",
                  r.detail.c_str());
    }
  }
  if (!options.speed) std::printf("%d passed, %d failed, %d skipped\n", counts[0], counts[1], counts[2]);
  return counts[1] == 0 ? 0 : 1;
}

}  // namespace
}  // namespace op_table

int main(int argc, char** argv) {
  using namespace op_table;
  Options options;
  for (int i = 1; i < argc; ++i) {
    std::string flag = argv[i];
    if (flag == "--list") {
      options.list = true;
    } else if (flag == "--speed") {
      options.speed = true;
    } else if (flag == "--verbose") {
      options.verbose = true;
    } else if ((flag == "--device" || flag == "--filter") && i + 1 < argc) {
      std::string value = argv[++i];
      if (flag == "--filter") {
        options.filter = value;
      } else {
        try {
          options.device = device_under_test() = fulmen::cuda::exact(Device(value));
        } catch (const std::exception& e) {
          return usage(e.what());
        }
      }
    } else {
      return usage(("unknown argument " + flag).c_str());
    }
  }
  Table table;
  for (Family* f = Family::first(); f; f = f->next) f->add(table);
  if (options.list) {
    print_list(table);
    return 0;
  }
  return run(options, table);
}
