#include <dlfcn.h>
#include <fulmen/kernels/vendor_library.h>
#include <fulmen/tensor/error.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace fulmen::cuda {

namespace {

/// Where the files are looked for; an empty directory leaves it to the system's loader.
std::vector<std::string> directories() {
  std::vector<std::string> found;
  auto add = [&](std::string directory) {
    if (std::find(found.begin(), found.end(), directory) == found.end()) found.push_back(std::move(directory));
  };
  if (const char* list = std::getenv("FULMEN_CUDA_LIBRARIES")) {
    const std::string text = list;
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find(':', begin), text.size());
      if (end > begin) add(text.substr(begin, end - begin) + "/");
      begin = end + 1;
    }
  }
  add("");
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"}) {
    const char* toolkit = std::getenv(variable);
    if (toolkit && *toolkit) add(std::string(toolkit) + "/lib64/");
  }
  add("/usr/local/cuda/lib64/");
  return found;
}

}  // namespace

VendorLibrary::VendorLibrary(const char* name, std::initializer_list<int> versions) : name_(name) {
  std::vector<std::string> files;
  for (int version : versions) files.push_back(str("lib", name, ".so.", version));
  files.push_back(str("lib", name, ".so"));
  std::string tried, reason;
  for (const std::string& directory : directories()) {
    for (const std::string& file : files) {
      handle_ = dlopen((directory + file).c_str(), RTLD_NOW | RTLD_LOCAL);
      if (handle_) {
        file_ = directory + file;
        return;
      }
      if (const char* message = dlerror(); message && reason.empty()) reason = message;
      tried += (tried.empty() ? "" : ", ") + directory + file;
    }
  }
  why_not_ = str("tried ", tried, "; the loader says: ", reason.empty() ? "nothing" : reason);
}

void* VendorLibrary::find(const char* function) const { return handle_ ? dlsym(handle_, function) : nullptr; }

const char* VendorLibrary::fill(void** table, std::initializer_list<const char*> functions) const {
  const char* lacking = nullptr;
  for (const char* function : functions) {
    *table = find(function);
    if (!*table++ && !lacking) lacking = function;
  }
  return lacking;
}

void VendorLibrary::require(const char* wanted_by, const char* remedy) const {
  if (available()) return;
  throw Error("E018", str(wanted_by, " needs lib", name_, ", which cannot be loaded: ", why_not_),
              str("install it, name its directory in FULMEN_CUDA_LIBRARIES, or ", remedy));
}

}  // namespace fulmen::cuda
