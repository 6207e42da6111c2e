#include <fulmen/nn/functional_module.h>
#include <fulmen/nn/print.h>

namespace fulmen::nn {

FunctionalImpl::FunctionalImpl(Function function) : function_(std::move(function)) {}
void FunctionalImpl::pretty_print(std::ostream& stream) const { Printed(stream, "Functional"); }

}  // namespace fulmen::nn
