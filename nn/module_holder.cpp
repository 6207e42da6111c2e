#include <fulmen/nn/module_holder.h>
#include <fulmen/nn/type_name.h>

#include <ostream>

namespace fulmen::nn::detail {

void empty_holder(const std::type_info& contained) {
  fail(str("Accessing empty ModuleHolder of ", type_name(contained),
           ": it was made from nullptr and never assigned; give it a module before using it"));
}
void print_contained(std::ostream& stream, const Module* module) {
  if (module) {
    stream << *module;
  } else {
    stream << "(empty)";
  }
}

}  // namespace fulmen::nn::detail
