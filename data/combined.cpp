#include <fulmen/data/combined.h>

namespace fulmen::data {

CombineMode combine_mode(std::string_view name) {
  if (name == "max_size_cycle") return CombineMode::MaxSizeCycle;
  if (name == "min_size") return CombineMode::MinSize;
  if (name == "max_size") return CombineMode::MaxSize;
  throw Error("E016", str("combine: the mode is \"", name, "\""), "max_size_cycle, min_size or max_size");
}

}  // namespace fulmen::data
