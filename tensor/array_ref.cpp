#include <fulmen/tensor/array_ref.h>
#include <fulmen/tensor/error.h>

#include <ostream>

namespace fulmen {

void array_ref_out_of_range(size_t index, size_t size) {
  fail_index(str("ArrayRef: index ", index, " is out of range of a list with ", size, " entries"));
}

std::ostream& operator<<(std::ostream& out, IntArrayRef list) { return out << str(list); }

}  // namespace fulmen
