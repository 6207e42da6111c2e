#include <fulmen/tensor/error.h>
#include <fulmen/tensor/scalar.h>

#include <ostream>

namespace fulmen {

void scalar_overflow(const char* type) {
  fail(str("Scalar: value cannot be converted to type ", type, " without overflow"));
}

std::ostream& operator<<(std::ostream& out, const Scalar& value) {
  if (value.isFloatingPoint()) return out << value.toDouble();
  if (value.isBoolean()) return out << (value.toBool() ? "true" : "false");
  return out << value.toLong();
}

}  // namespace fulmen
