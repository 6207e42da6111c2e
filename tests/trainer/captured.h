#pragma once
#include <tests/message_of.h>
#include <unistd.h>

#include <cstdio>
#include <string>

namespace fulmen::trainer::testing {

using fulmen::testing::message_of;

/// What a function writes to one of the standard streams.
inline std::string captured(int descriptor, auto&& action) {
  std::fflush(nullptr);
  const int saved = ::dup(descriptor);
  std::FILE* file = std::tmpfile();
  ::dup2(::fileno(file), descriptor);
  action();
  std::fflush(nullptr);
  ::dup2(saved, descriptor);
  ::close(saved);
  std::rewind(file);
  std::string text;
  for (int c; (c = std::fgetc(file)) != EOF;) text += static_cast<char>(c);
  std::fclose(file);
  return text;
}

}  // namespace fulmen::trainer::testing
