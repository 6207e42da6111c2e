#include "libraries.h"

#include <dlfcn.h>
#include <emulator/control.h>

#include <cstring>
#include <string>

namespace emulator {

namespace {

thread_local std::string why_not;
thread_local bool failed = false;

const Library* const libraries[] = {&cublas_lt, &cudnn, &nccl_library};

}  // namespace

void* open_library(const char* file) {
  failed = false;
  for (const Library* library : libraries) {
    if (settings().libraries && std::strcmp(library->file, file) == 0) return const_cast<Library*>(library);
  }
  why_not = std::string(file) + ": cannot open shared object file: the emulator has no such library";
  failed = true;
  return nullptr;
}

void* find_function(void* library, const char* name) {
  const auto* l = static_cast<const Library*>(library);
  for (size_t i = 0; i < l->count; ++i) {
    if (std::strcmp(l->functions[i].name, name) == 0) return l->functions[i].address;
  }
  return nullptr;
}

const char* library_error() {
  if (!failed) return nullptr;
  failed = false;
  return why_not.c_str();
}

}  // namespace emulator
