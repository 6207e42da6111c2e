#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

// Where `__shared__` variables lie. They are thread_local variables of functions, so the program's symbol table lists
// them: local names (_ZZ...) in thread-local storage.
namespace emulator {

struct SharedVariable {
  size_t offset = 0, size = 0;  // in the host thread's thread-local storage
  std::string name;             // mangled
  uintptr_t owner = 0;          // the kernel whose variable it is; 0 if it belongs to a function that was inlined
};
/// All function-local thread_local variables of the program, in ascending order.
const std::vector<SharedVariable>& shared_variables();
/// Where the variables lie that a kernel may use: its own ones and those of inlined functions.
const std::vector<std::pair<size_t, size_t>>& shared_ranges(const void* kernel);
/// The calling host thread's thread-local storage of the program; null if it has none.
unsigned char* thread_local_storage();
/// The variable that `p` lies in, null if it is none.
const SharedVariable* find_shared_variable(const void* p);

}  // namespace emulator
