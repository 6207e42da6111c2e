#include <fulmen/tests/wrappers/wrappers.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

// wrapper_conformance --write FILE     runs every kernel and writes what it gave; the emulator writes
//                                      tests/wrappers/golden/results.txt
//                     --compare FILE   runs every kernel and compares
//                     --print NAME     runs one and prints all its words
// A line of FILE: name, number of words, their digest and the first eight; or, for approximations, name, number,
// "within", the tolerance, and all values. Exit status: 0, 1 if anything differs, 2 for wrong arguments, 3 without a
// device.
namespace wrapper_test {

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
}

namespace {

uint64_t digest(const std::vector<uint32_t>& words) {  // FNV-1a over words
  uint64_t hash = 0xcbf29ce484222325u;
  for (const uint32_t word : words) hash = (hash ^ word) * 0x100000001b3u;
  return hash;
}

std::string line_of(const std::string& name, const Result& result) {
  char text[64];
  std::string line = name + " " + std::to_string(result.words.size());
  if (result.tolerance > 0) {
    std::snprintf(text, sizeof text, " within %g", result.tolerance);
    line += text;
    for (const uint32_t word : result.words) {
      std::snprintf(text, sizeof text, " %.9g", static_cast<double>(std::bit_cast<float>(word)));
      line += text;
    }
    return line;
  }
  std::snprintf(text, sizeof text, " %016llx", static_cast<unsigned long long>(digest(result.words)));
  line += text;
  for (size_t i = 0; i < result.words.size() && i < 8; ++i) {
    std::snprintf(text, sizeof text, " %08x", result.words[i]);
    line += text;
  }
  return line;
}

/// What differs, or nothing.
std::string difference(const std::string& name, const Result& result, const std::string& golden) {
  const std::string line = line_of(name, result);
  if (line == golden) return "";
  if (result.tolerance == 0) return "expected  " + golden + "\n  got       " + line;
  std::istringstream fields(golden);
  std::string word;
  for (int i = 0; i < 4; ++i) fields >> word;  // name, number, "within", tolerance
  for (size_t i = 0; i < result.words.size(); ++i) {
    double expected = NAN;
    if (fields >> word) expected = std::strtod(word.c_str(), nullptr);  // >> double refuses inf
    const double got = static_cast<double>(std::bit_cast<float>(result.words[i]));
    if (expected == got) continue;
    if (!(std::fabs(got - expected) <= result.tolerance * std::fabs(expected))) {
      return "value " + std::to_string(i) + ": expected " + std::to_string(expected) + ", got " + std::to_string(got);
    }
  }
  return "";
}

std::vector<Case> all_cases() {
  std::vector<Case> all;
  for (auto* family : {number_cases, warp_cases, copy_engine_cases, wgmma_cases}) {
    for (Case& one : family()) all.push_back(std::move(one));
  }
  return all;
}

bool runs_here(const Case& one) {
  int major = 0, minor = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0), "cudaDeviceGetAttribute");
  check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0), "cudaDeviceGetAttribute");
  return !one.hopper || (major == 9 && minor == 0);
}

int write(const std::string& path) {
  std::ofstream file(path);
  for (const Case& one : all_cases()) file << line_of(one.name, one.run()) << '\n';
  return file.flush() ? 0 : 1;
}

int compare(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    std::fprintf(stderr, "wrapper_conformance: cannot read %s\n", path.c_str());
    return 2;
  }
  std::map<std::string, std::string> golden;
  for (std::string line; std::getline(file, line);) golden[line.substr(0, line.find(' '))] = line;
  int passed = 0, failed = 0, skipped = 0;
  for (const Case& one : all_cases()) {
    if (!runs_here(one)) {
      ++skipped;
      golden.erase(one.name);
      continue;
    }
    std::string wrong = golden.count(one.name) ? "" : "it is not in the file";
    try {
      if (wrong.empty()) wrong = difference(one.name, one.run(), golden[one.name]);
    } catch (const std::exception& e) {
      wrong = e.what();
    }
    golden.erase(one.name);
    wrong.empty() ? ++passed : ++failed;
    if (!wrong.empty()) std::printf("FAIL %s\n  %s\n", one.name.c_str(), wrong.c_str());
  }
  for (const auto& [name, line] : golden) std::printf("FAIL %s\n  no kernel of this name\n", name.c_str());
  failed += static_cast<int>(golden.size());
  if (skipped > 0) std::printf("skipped %d: this device has no wgmma and no copy engine\n", skipped);
  std::printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed == 0 ? 0 : 1;
}

int print(const std::string& name) {
  for (const Case& one : all_cases()) {
    if (one.name != name) continue;
    const Result result = one.run();
    for (size_t i = 0; i < result.words.size(); ++i) {
      std::printf("%6zu %08x %.9g\n", i, result.words[i], static_cast<double>(std::bit_cast<float>(result.words[i])));
    }
    return 0;
  }
  std::fprintf(stderr, "wrapper_conformance: no case %s\n", name.c_str());
  return 2;
}

}  // namespace
}  // namespace wrapper_test

int main(int argc, char** argv) {
  using namespace wrapper_test;
  const std::string mode = argc == 3 ? argv[1] : "";
  if (mode != "--write" && mode != "--compare" && mode != "--print") {
    std::fprintf(stderr, "usage: wrapper_conformance --write FILE | --compare FILE | --print NAME\n");
    return 2;
  }
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error != cudaSuccess || devices == 0) {
    std::printf("wrapper_conformance: no CUDA device: %s\n", cudaGetErrorString(error));
    return 3;
  }
  try {
    return mode == "--write" ? write(argv[2]) : mode == "--compare" ? compare(argv[2]) : print(argv[2]);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "wrapper_conformance: %s\n", e.what());
    return 1;
  }
}
