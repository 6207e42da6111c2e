#include <cxxabi.h>
#include <fulmen/nn/type_name.h>

#include <cstdlib>
#include <memory>

namespace fulmen::nn {

std::string type_name(const std::type_info& type) {
  int status = 0;
  std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), std::free);
  return status == 0 && text ? text.get() : type.name();
}

std::string short_type_name(const std::type_info& type) {
  std::string name = type_name(type);
  // The namespaces of template arguments do not count: "Model<ns::Batch>" is "Model<ns::Batch>".
  const size_t arguments = name.find('<');
  const size_t colons = name.rfind("::", arguments);
  if (colons != std::string::npos) name.erase(0, colons + 2);
  if (name.size() > 4 && name.ends_with("Impl")) name.erase(name.size() - 4);
  return name;
}

namespace {
std::string& prefix() {
  static std::string text;
  return text;
}
}  // namespace
const std::string& printed_namespace() { return prefix(); }
void set_printed_namespace(std::string text) { prefix() = std::move(text); }

}  // namespace fulmen::nn
