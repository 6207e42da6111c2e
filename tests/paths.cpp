#include "paths.h"

#include <cstdlib>
#include <filesystem>

namespace fulmen::testing {

std::string source_dir() { return FULMEN_SOURCE_DIR; }

std::string bin_dir() { return FULMEN_BIN_DIR; }

std::string shared_dir() {
  const char* chosen = std::getenv("FULMEN_SHARED");
  std::string folder = chosen ? chosen : source_dir() + "/../shared";
  return std::filesystem::is_directory(folder) ? folder : "";
}

}  // namespace fulmen::testing
