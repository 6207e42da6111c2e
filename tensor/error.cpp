#include <fulmen/tensor/error.h>
#include <fulmen/tensor/tensor.h>

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace fulmen {

Error::Error(std::string code, std::string message, std::string fix)
    : code_(std::move(code)), message_(std::move(message)), fix_(std::move(fix)) {
  compose();
}

void Error::add_context(std::string_view where) {
  if (where.empty()) return;
  if (!where_.empty()) where_ += ", ";
  where_ += where;
  compose();
}

void Error::set_module(const void* module, std::string type) {
  if (module_) return;
  module_ = module;
  module_type_ = std::move(type);
  compose();
}

void Error::set_module_path(std::string path) {
  module_path_ = std::move(path);
  compose();
}

void Error::compose() {
  what_ = code_.empty() ? message_ : code_ + ": " + message_;
  std::string place = module_path_;
  if (!module_type_.empty()) place += place.empty() ? module_type_ : " (" + module_type_ + ")";
  if (!place.empty() && !where_.empty()) place += ", ";
  place += where_;
  if (!place.empty()) what_ += "\n  in " + place;
  if (!fix_.empty()) what_ += "\n  fix: " + fix_;
}

void fail(std::string message) { throw Error(std::move(message)); }
void fail_index(std::string message) { throw IndexError(std::move(message)); }

void append(std::string& out, std::string_view v) { out += v; }
void append(std::string& out, char v) { out += v; }
void append(std::string& out, bool v) { out += v ? "true" : "false"; }

void append(std::string& out, double v) {
  // The fewest digits that give the number back; a number that came from a float needs to come back as that float.
  const bool is_float = static_cast<double>(static_cast<float>(v)) == v;
  char text[40];
  for (int digits : {6, 9, 15, 17}) {
    std::snprintf(text, sizeof text, "%.*g", digits, v);
    const double back = std::strtod(text, nullptr);
    if (back == v || (is_float && static_cast<float>(back) == static_cast<float>(v))) break;
  }
  out += text;
}

namespace {
template <class T>
void append_integer(std::string& out, T v) {
  char text[24];
  out.append(text, std::to_chars(text, text + sizeof text, v).ptr);
}
}  // namespace

void append(std::string& out, long long v) { append_integer(out, v); }
void append(std::string& out, unsigned long long v) { append_integer(out, v); }
void append(std::string& out, ScalarType v) { out += dtype_name(v); }

void append(std::string& out, IntArrayRef v) {
  out += '[';
  for (size_t i = 0; i < v.size(); ++i) {
    if (i > 0) out += ", ";
    append(out, v[i]);
  }
  out += ']';
}

void append(std::string& out, const Device& v) { out += v.str(); }

void append(std::string& out, const Scalar& v) {
  if (v.isFloatingPoint()) {
    append(out, v.toDouble());
  } else if (v.isBoolean()) {
    append(out, v.toBool());
  } else {
    append(out, v.toLong());
  }
}

void append(std::string& out, const Tensor& v) {
  if (!v.defined()) {
    out += "undefined tensor";
    return;
  }
  append(out, v.scalar_type());
  append(out, v.sizes());
  out += " on ";
  append(out, v.device());
}

}  // namespace fulmen
