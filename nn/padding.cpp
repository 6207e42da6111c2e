#include <fulmen/nn/padding.h>
#include <fulmen/nn/print.h>

namespace fulmen::nn {

#define FULMEN_PAD(Name, D, word)                                                                               \
  void Name##D##dImpl::pretty_print(std::ostream& stream) const {                                               \
    Printed(stream, #Name #D "d").arg("padding", IntArrayRef(options.padding()));                               \
  }                                                                                                             \
  Tensor Name##D##dImpl::forward(const Tensor& input) {                                                         \
    return functional::pad(input, functional::PadFuncOptions(IntArrayRef(options.padding()).vec()).mode(word)); \
  }
#define FULMEN_PADS(D)                                                                                               \
  FULMEN_PAD(ReflectionPad, D, kReflect)                                                                             \
  FULMEN_PAD(ReplicationPad, D, kReplicate)                                                                          \
  FULMEN_PAD(ZeroPad, D, kConstant)                                                                                  \
  void ConstantPad##D##dImpl::pretty_print(std::ostream& stream) const {                                             \
    Printed(stream, "ConstantPad" #D "d")                                                                            \
        .arg("padding", IntArrayRef(options.padding()))                                                              \
        .arg("value", options.value());                                                                              \
  }                                                                                                                  \
  Tensor ConstantPad##D##dImpl::forward(const Tensor& input) {                                                       \
    return functional::pad(input,                                                                                    \
                           functional::PadFuncOptions(IntArrayRef(options.padding()).vec()).value(options.value())); \
  }
FULMEN_PADS(1)
FULMEN_PADS(2)
FULMEN_PADS(3)
#undef FULMEN_PADS
#undef FULMEN_PAD

}  // namespace fulmen::nn
