#include <fulmen/nn/functional_module.h>
#include <fulmen/nn/print.h>

namespace fulmen::nn {

void FunctionalImpl::pretty_print(std::ostream& stream) const { Printed(stream, "Functional"); }

}  // namespace fulmen::nn
