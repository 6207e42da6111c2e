#pragma once
#include <stdlib.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/paths.h"

// The example as a user runs it: a process, its output, its exit status, and the files it leaves.
namespace fulmen::testing {

namespace fs = std::filesystem;

/// A new folder in the temporary one, removed with everything in it.
struct Folder {
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "house_prices_XXXXXX").string();
    path = ::mkdtemp(pattern.data());
  }
  ~Folder() { fs::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  fs::path path;
};

struct Finished {
  int status;
  std::string output, error;
};

inline std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Runs `house_prices <arguments>` in `folder` to its end.
inline Finished house_prices(const Folder& folder, const std::string& arguments, const std::string& environment = "") {
  const std::string program = bin_dir() + "/house_prices";
  const std::string command = "cd " + folder.path.string() + " && " + environment + " " + program + " " + arguments +
                              " >.out 2>.error </dev/null";
  const int status = std::system(command.c_str());
  Finished run{WIFEXITED(status) ? WEXITSTATUS(status) : -1, text_of(folder.path / ".out"),
               text_of(folder.path / ".error")};
  fs::remove(folder.path / ".out");
  fs::remove(folder.path / ".error");
  return run;
}

/// False in builds without examples.
inline bool has_house_prices() { return fs::exists(bin_dir() + "/house_prices"); }

/// The line of JSON that ends what `fit` and `test` write.
inline std::string last_line(const std::string& output) {
  return output.substr(output.rfind('\n', output.size() - 2) + 1);
}

}  // namespace fulmen::testing
