#pragma once
#include <string>
#include <typeinfo>

namespace fulmen::nn {

/// A type's name as it is written in source: "test::Net", "int".
std::string type_name(const std::type_info& type);
/// The short form that messages use: without namespaces and the `Impl` of holders ("Linear", "HousePrices").
std::string short_type_name(const std::type_info& type);

/// What the printed form of the library's own modules begins with: nothing here, "torch::nn::" for programs that
/// include torch/torch.h.
const std::string& printed_namespace();
void set_printed_namespace(std::string prefix);

}  // namespace fulmen::nn
