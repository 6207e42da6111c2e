#pragma once
#include <fcntl.h>
#include <fulmen/tensor/error.h>
#include <sys/wait.h>
#include <tests/paths.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace fulmen::trainer::testing {

/// Starts tests/trainer/programs/trainer_runs.cpp.
inline pid_t start_run(const std::vector<std::string>& arguments) {
  const std::string program = fulmen::testing::bin_dir() + "/trainer_runs";
  std::vector<char*> list = {const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) list.push_back(const_cast<char*>(argument.c_str()));
  list.push_back(nullptr);
  const pid_t child = ::fork();
  FULMEN_CHECK(child >= 0, "fork failed");
  if (child == 0) {
    ::execv(program.c_str(), list.data());
    ::_exit(127);
  }
  return child;
}

/// Its exit status, or minus the signal that ended it.
inline int end_of(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

inline int run(const std::vector<std::string>& arguments) { return end_of(start_run(arguments)); }

}  // namespace fulmen::trainer::testing
