#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace fulmen {

/// The candidate closest to `name` by edit distance, when it is close enough to be a slip; empty otherwise.
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace fulmen
