#include <fulmen/nn/ordered_dict.h>
#include <fulmen/tensor/error.h>

namespace fulmen::detail {

void dict_key_missing(const std::string& description, const std::string& key) {
  fail(str(description, " '", key, "' is not defined"));
}
void dict_key_exists(const std::string& description, const std::string& key) {
  fail(str(description, " '", key, "' already defined"));
}
void dict_empty(const char* method) { fail(str("Called ", method, "() on an empty OrderedDict")); }
void dict_index_out_of_range(size_t index, size_t size) {
  fail_index(str("OrderedDict: Index ", index, " is out of range for ", size, " items"));
}

}  // namespace fulmen::detail
