#pragma once

// In the checked build: clang calls the C library to copy structs, which the instrumentation does not see. These names
// lead the calls of a kernel file to the emulator.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
asm(".set memcpy, fulmen_emulator_memcpy\n"
    ".set memmove, fulmen_emulator_memmove\n"
    ".set memset, fulmen_emulator_memset");
#endif
#endif
