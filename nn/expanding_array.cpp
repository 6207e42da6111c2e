#include <fulmen/nn/expanding_array.h>
#include <fulmen/tensor/error.h>

#include <ostream>

namespace fulmen::detail {
namespace {
template <class T, class Print>
void print_all(std::ostream& out, ArrayRef<T> values, Print print) {
  if (values.size() == 1) return print(values[0]);  // of one dimension: a number
  out << '[';
  for (size_t i = 0; i < values.size(); ++i) {
    if (i) out << ", ";
    print(values[i]);
  }
  out << ']';
}
}  // namespace

void expanding_array_size(size_t expected, size_t got) {
  fail(str("Expected ", expected, " values, but instead got ", got));
}
void print_list(std::ostream& out, IntArrayRef values) {
  print_all(out, values, [&](int64_t v) { out << v; });
}
void print_list(std::ostream& out, ArrayRef<double> values) {
  print_all(out, values, [&](double v) { out << v; });
}
void print_list(std::ostream& out, ArrayRef<std::optional<int64_t>> values) {
  print_all(out, values, [&](const std::optional<int64_t>& v) {
    if (v) {
      out << *v;
    } else {
      out << "None";
    }
  });
}

}  // namespace fulmen::detail
