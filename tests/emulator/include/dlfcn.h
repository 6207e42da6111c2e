#pragma once
// Shadows the system's header: NVIDIA's libraries that the library opens at run time are those of the emulator.
#define RTLD_NOW 2
#define RTLD_LOCAL 0
typedef long Lmid_t;  // for <link.h>

namespace emulator {
/// An emulated library by its file's name; null for any other, and while settings().libraries is off.
void* open_library(const char* file);
void* find_function(void* library, const char* name);
/// Why the last open_library() of this thread failed; null if it did not.
const char* library_error();
}  // namespace emulator

inline void* dlopen(const char* file, int) { return emulator::open_library(file); }
inline void* dlsym(void* library, const char* name) { return emulator::find_function(library, name); }
inline const char* dlerror() { return emulator::library_error(); }
