#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

// Where `__shared__` variables lie. They are thread_local variables of functions, so the program's symbol table lists
// them: local names (_ZZ...) in thread-local storage.
namespace emulator {

struct SharedVariable {
  size_t offset = 0, size = 0;  // in the host thread's thread-local storage
  std::string name;             // mangled
};
/// All function-local thread_local variables of the program, in ascending order.
const std::vector<SharedVariable>& shared_variables();
/// The calling host thread's thread-local storage of the program; null if it has none.
unsigned char* thread_local_storage();
/// The variable that `p` lies in, null if it is none.
const SharedVariable* find_shared_variable(const void* p);

}  // namespace emulator
