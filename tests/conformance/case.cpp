#include "tests/conformance/case.h"

#include <fulmen/autograd/ops/copy.h>

#include <cmath>
#include <limits>

namespace conformance {

namespace {

bool is_tensor_json(const Json& v) { return v.is_object() && v.contains("t"); }

Scalar number_of(const Json& v) {
  if (v.is_boolean()) return v.get<bool>();
  if (v.is_number_integer()) return v.get<int64_t>();
  if (v.is_number()) return v.get<double>();
  if (v.is_object() && v.contains("f")) {
    const std::string text = v["f"];
    constexpr double infinity = std::numeric_limits<double>::infinity();
    return text == "nan" ? std::nan("") : text == "inf" ? infinity : -infinity;
  }
  throw NotThere{"an argument that is no number"};
}

}  // namespace

Arguments::Arguments(const Json& line, const std::map<std::string, Tensor>& tensors)
    : args_(line["args"]), kwargs_(line["kwargs"]) {
  size_t flat = 0;
  for (const Json& v : args_) collect(v, flat, tensors);
  for (const auto& [key, v] : kwargs_.items()) collect(v, flat, tensors);
}

// Gradients are recorded by the position among all tensor arguments.
void Arguments::collect(const Json& v, size_t& flat, const std::map<std::string, Tensor>& tensors) {
  if (is_tensor_json(v)) {
    const std::string key = v["t"];
    Tensor t = tensors.at(key);
    if (v.value("rg", false)) leaves_[flat] = t = t.detach().clone().requires_grad_();
    made_[key] = t;
    ++flat;
  } else if (v.is_object() && v.contains("tl")) {
    for (const Json& each : v["tl"]) collect(each, flat, tensors);
  } else if (v.is_array()) {
    for (const Json& each : v) collect(each, flat, tensors);
  }
}

const Json* Arguments::find(size_t position, const char* keyword) const {
  if (position < args_.size()) {
    used_.insert(std::to_string(position));
    return &args_[position];
  }
  auto at = kwargs_.find(keyword);
  if (at == kwargs_.end()) return nullptr;
  used_.insert(keyword);
  return &*at;
}

bool Arguments::has(size_t position, const char* keyword) const {
  const Json* v = find(position, keyword);
  return v && !v->is_null();
}
bool Arguments::is_tensor(size_t position, const char* keyword) const {
  const Json* v = find(position, keyword);
  return v && is_tensor_json(*v);
}
bool Arguments::is_list(size_t position, const char* keyword) const {
  const Json* v = find(position, keyword);
  return v && v->is_array();
}
Tensor Arguments::tensor_of(const Json& v) const {
  if (!is_tensor_json(v)) throw NotThere{"a tensor argument that is none"};
  return made_.at(v["t"].get<std::string>());
}
Tensor Arguments::tensor(size_t position, const char* keyword) const {
  const Json* v = find(position, keyword);
  if (!v) throw NotThere{std::string("argument ") + keyword + " is missing"};
  return tensor_of(*v);
}
Tensor Arguments::optional_tensor(size_t position, const char* keyword) const {
  return has(position, keyword) ? tensor(position, keyword) : Tensor();
}
Tensors Arguments::tensors(size_t position, const char* keyword) const {
  const Json* v = find(position, keyword);
  if (!v || !(v->is_object() && v->contains("tl"))) throw NotThere{"a list of tensors that is none"};
  Tensors all;
  for (const Json& each : (*v)["tl"]) all.push_back(tensor_of(each));
  return all;
}
Scalar Arguments::number(size_t position, const char* keyword) const {
  const Json* v = find(position, keyword);
  if (!v) throw NotThere{std::string("argument ") + keyword + " is missing"};
  return number_of(*v);
}
Scalar Arguments::number(size_t position, const char* keyword, Scalar otherwise) const {
  return has(position, keyword) ? number(position, keyword) : otherwise;
}
std::optional<Scalar> Arguments::optional_number(size_t position, const char* keyword) const {
  if (!has(position, keyword)) return std::nullopt;
  return number(position, keyword);
}
int64_t Arguments::integer(size_t position, const char* keyword) const { return number(position, keyword).toLong(); }
int64_t Arguments::integer(size_t position, const char* keyword, int64_t otherwise) const {
  return has(position, keyword) ? integer(position, keyword) : otherwise;
}
bool Arguments::flag(size_t position, const char* keyword, bool otherwise) const {
  return has(position, keyword) ? number(position, keyword).toBool() : otherwise;
}
std::string Arguments::text(size_t position, const char* keyword, const std::string& otherwise) const {
  const Json* v = find(position, keyword);
  if (!v || v->is_null()) return otherwise;
  if (!v->is_string()) throw NotThere{std::string(keyword) + " is no text"};
  return v->get<std::string>();
}
std::vector<int64_t> Arguments::integers(size_t position, const char* keyword) const {
  const Json* v = find(position, keyword);
  if (!v || v->is_null()) return {};
  if (!v->is_array()) return {number_of(*v).toLong()};
  std::vector<int64_t> list;
  for (const Json& each : *v) list.push_back(number_of(each).toLong());
  return list;
}
std::vector<int64_t> Arguments::sizes(size_t position, const char* keyword) const {
  if (position >= args_.size() || args_[position].is_array()) return integers(position, keyword);
  std::vector<int64_t> list;
  for (size_t i = position; i < args_.size(); ++i) list.push_back(integer(i, ""));
  return list;
}
std::optional<ScalarType> Arguments::dtype(size_t position, const char* keyword) const {
  if (!has(position, keyword)) return std::nullopt;
  const Json& v = *find(position, keyword);
  if (!v.is_object() || !v.contains("dtype")) throw NotThere{"a dtype that is none"};
  return dtype_from_name(v["dtype"].get<std::string>());
}
TensorOptions Arguments::options() const {
  text(args_.size(), "device", "cpu");
  flag(args_.size(), "requires_grad", false);
  return TensorOptions().dtype(dtype(args_.size()));
}
const Json& Arguments::raw(size_t position) const { return *find(position, ""); }

void Arguments::check_all_used() const {
  for (size_t i = 0; i < args_.size(); ++i) {
    if (!used_.count(std::to_string(i))) throw NotThere{"argument " + std::to_string(i) + " in this form"};
  }
  for (const auto& [key, v] : kwargs_.items()) {
    if (!used_.count(key) && !v.is_null()) throw NotThere{"argument " + key};
  }
}

}  // namespace conformance
