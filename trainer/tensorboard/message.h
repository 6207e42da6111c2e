#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace fulmen::trainer::tensorboard {

/// A protocol buffer being written: each field is its number and kind, then the value. Fields come out in the order of
/// the calls; what is left out has its default.
class Message {
 public:
  Message& integer(unsigned field, uint64_t value) {
    key(field, 0);
    varint(value);
    return *this;
  }
  Message& number(unsigned field, double value) {
    key(field, 1);
    raw(value);
    return *this;
  }
  Message& single(unsigned field, float value) {
    key(field, 5);
    raw(value);
    return *this;
  }
  Message& text(unsigned field, std::string_view bytes) {
    key(field, 2);
    varint(bytes.size());
    bytes_.append(bytes);
    return *this;
  }
  Message& message(unsigned field, const Message& inner) { return text(field, inner.bytes_); }
  Message& numbers(unsigned field, const std::vector<double>& values) {
    key(field, 2);
    varint(values.size() * sizeof(double));
    for (double value : values) raw(value);
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void key(unsigned field, unsigned kind) { varint(field << 3 | kind); }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  // Little-endian, as all processors that this library is built for.
  template <class T>
  void raw(T value) {
    char copy[sizeof value];
    std::memcpy(copy, &value, sizeof value);
    bytes_.append(copy, sizeof value);
  }
  std::string bytes_;
};

}  // namespace fulmen::trainer::tensorboard
