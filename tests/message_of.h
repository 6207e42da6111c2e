#pragma once
#include <fulmen/tensor/error.h>

#include <string>
#include <string_view>

namespace fulmen::testing {

/// The text of the Error that `action` throws.
template <class F>
std::string message_of(F&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

inline bool mentions(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace fulmen::testing
