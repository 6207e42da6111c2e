#pragma once
#include <fulmen/kernels/dtype.h>
#include <fulmen/tensor/array_ref.h>

#include <exception>
#include <string>
#include <string_view>

namespace fulmen {

class Tensor;
class Scalar;
struct Device;

/// What every user error throws. `what()` is the whole message: what is wrong, then where, then how to fix it.
class Error : public std::exception {
 public:
  Error() = default;
  explicit Error(std::string message) : message_(std::move(message)), what_(message_) {}
  /// `code` is the message's entry in the catalogue (docs/errors.md), such as "E001"; `fix` says what the user can do.
  Error(std::string code, std::string message, std::string fix);
  const char* what() const noexcept override { return what_.c_str(); }
  const char* what_without_backtrace() const noexcept { return what_.c_str(); }
  /// The first line, without context and fix.
  const std::string& msg() const { return message_; }
  const std::string& code() const { return code_; }
  /// Adds where it happened ("in net.2 (Linear), training_step, epoch 0, batch 3"); called while the error travels up.
  void add_context(std::string_view where);
  /// The module that was running, and its type's name; the innermost one counts, so a second call has no effect.
  void set_module(const void* module, std::string type);
  const void* module() const { return module_; }
  /// Its place in the tree ("net.2"): every container that the error leaves knows a longer one.
  void set_module_path(std::string path);

 private:
  void compose();
  std::string code_, message_, where_, fix_, what_;
  const void* module_ = nullptr;
  std::string module_path_, module_type_;
};
class IndexError : public Error {
 public:
  using Error::Error;
};
class ValueError : public Error {
 public:
  using Error::Error;
};
class TypeError : public Error {
 public:
  using Error::Error;
};
class NotImplementedError : public Error {
 public:
  using Error::Error;
};

/// Text of a value, for messages; overload `append(std::string&, const T&)` for more types.
void append(std::string& out, std::string_view v);
void append(std::string& out, char v);
void append(std::string& out, bool v);
void append(std::string& out, double v);
void append(std::string& out, long long v);
void append(std::string& out, unsigned long long v);
void append(std::string& out, ScalarType v);
void append(std::string& out, IntArrayRef v);
void append(std::string& out, const Device& v);
void append(std::string& out, const Scalar& v);
/// "float32[3, 4] on cpu"
void append(std::string& out, const Tensor& v);
inline void append(std::string& out, const char* v) { append(out, std::string_view(v)); }
inline void append(std::string& out, const std::string& v) { append(out, std::string_view(v)); }
inline void append(std::string& out, float v) { append(out, static_cast<double>(v)); }
inline void append(std::string& out, int v) { append(out, static_cast<long long>(v)); }
inline void append(std::string& out, long v) { append(out, static_cast<long long>(v)); }
inline void append(std::string& out, unsigned v) { append(out, static_cast<unsigned long long>(v)); }
inline void append(std::string& out, unsigned long v) { append(out, static_cast<unsigned long long>(v)); }

/// The texts of all arguments, one after the other.
template <class... T>
std::string str(const T&... parts) {
  std::string out;
  (append(out, parts), ...);
  return out;
}

[[noreturn]] void fail(std::string message);
[[noreturn]] void fail_index(std::string message);

/// Throws fulmen::Error with the concatenated message when the condition does not hold.
#define FULMEN_CHECK(condition, ...)              \
  do {                                            \
    if (!(condition)) [[unlikely]]                \
      ::fulmen::fail(::fulmen::str(__VA_ARGS__)); \
  } while (false)
#define FULMEN_CHECK_INDEX(condition, ...)              \
  do {                                                  \
    if (!(condition)) [[unlikely]]                      \
      ::fulmen::fail_index(::fulmen::str(__VA_ARGS__)); \
  } while (false)

}  // namespace fulmen
