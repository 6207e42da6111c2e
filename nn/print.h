#pragma once
#include <fulmen/nn/expanding_array.h>
#include <fulmen/nn/type_name.h>
#include <fulmen/tensor/error.h>

#include <ostream>
#include <string_view>

// For the library's own modules: their one-line printed form, "Linear(in_features=8, out_features=64, bias=true)".
namespace fulmen::nn {

/// Writes the name at construction, each argument as it comes, and the closing bracket at the end of its life.
class Printed {
 public:
  Printed(std::ostream& stream, std::string_view name) : stream_(stream) {
    stream_ << printed_namespace() << name << '(';
  }
  ~Printed() { stream_ << ')'; }
  Printed(const Printed&) = delete;

  template <class T>
  Printed& arg(std::string_view name, const T& value) {
    separate() << name << '=';
    return put(value);
  }
  template <class T>
  Printed& arg(const T& value) {
    separate();
    return put(value);
  }
  /// Only what differs from the default is shown.
  template <class T>
  Printed& arg_unless(std::string_view name, const T& value, const T& otherwise) {
    return value == otherwise ? *this : arg(name, value);
  }

 private:
  std::ostream& separate() {
    if (!first_) stream_ << ", ";
    first_ = false;
    return stream_;
  }
  template <class T>
  Printed& put(const T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      stream_ << (value ? "true" : "false");
    } else if constexpr (std::is_arithmetic_v<T>) {
      stream_ << value;
    } else {
      stream_ << str(value);
    }
    return *this;
  }
  template <size_t D, class T>
  Printed& put(const ExpandingArray<D, T>& values) {
    stream_ << values;
    return *this;
  }
  template <size_t D>
  Printed& put(const ExpandingArrayWithOptionalElem<D>& values) {
    stream_ << values;
    return *this;
  }
  std::ostream& stream_;
  bool first_ = true;
};

}  // namespace fulmen::nn
