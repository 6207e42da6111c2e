#pragma once
#include <fulmen/autograd/ops/comparison.h>
#include <fulmen/tensor/tensor.h>
#include <tests/message_of.h>
#include <tests/paths.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

namespace fulmen::testing {

/// A file of tests/fixtures.
inline nlohmann::json fixture(const std::string& name) {
  const std::string path = source_dir() + "/tests/fixtures/" + name;
  std::ifstream in(path);
  if (!in) throw Error(path + " cannot be read");
  return nlohmann::json::parse(in);
}

/// Fixtures write NaN and infinities as texts.
inline double as_number(const nlohmann::json& v) {
  if (v.is_boolean()) return v.get<bool>();
  if (v.is_string()) return std::strtod(v.get<std::string>().c_str(), nullptr);
  return v.get<double>();
}

template <class T>
std::string printed(const T& value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

/// Equal sizes and equal values.
inline bool same(const Tensor& a, const Tensor& b) { return a.sizes() == b.sizes() && a.equal(b); }

}  // namespace fulmen::testing
