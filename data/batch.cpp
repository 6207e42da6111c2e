#include <fulmen/data/batch.h>

namespace fulmen::data::detail {

void fail_member_sizes(const std::string& first, int64_t first_rows, const std::string& other, int64_t other_rows) {
  auto called = [](const std::string& name) { return name.empty() ? std::string("the tensor") : name; };
  throw Error("E010",
              str("batch: all members must hold the same number of samples, size(0); ", called(first), " has ",
                  first_rows, ", ", called(other), " has ", other_rows),
              "give every member one row per sample");
}

}  // namespace fulmen::data::detail
