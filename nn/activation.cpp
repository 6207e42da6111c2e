#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/unary.h>
#include <fulmen/nn/activation.h>
#include <fulmen/nn/init.h>
#include <fulmen/nn/print.h>

#include <functional>

namespace fulmen::nn {
namespace F = functional;

#define FULMEN_STATELESS(Name)                                                 \
  Name##Impl::Name##Impl(const Name##Options& options_) : options(options_) {} \
  void Name##Impl::reset() {}

FULMEN_STATELESS(ELU)
FULMEN_STATELESS(SELU)
FULMEN_STATELESS(CELU)
FULMEN_STATELESS(GELU)
FULMEN_STATELESS(GLU)
FULMEN_STATELESS(ReLU)
FULMEN_STATELESS(ReLU6)
FULMEN_STATELESS(RReLU)
FULMEN_STATELESS(LeakyReLU)
FULMEN_STATELESS(Hardshrink)
FULMEN_STATELESS(Softshrink)
FULMEN_STATELESS(Softplus)
FULMEN_STATELESS(Threshold)
FULMEN_STATELESS(Softmax)
FULMEN_STATELESS(Softmin)
FULMEN_STATELESS(LogSoftmax)
#undef FULMEN_STATELESS

#define FULMEN_PLAIN(Name, function)                                                    \
  void Name##Impl::reset() {}                                                           \
  void Name##Impl::pretty_print(std::ostream& stream) const { Printed(stream, #Name); } \
  Tensor Name##Impl::forward(const Tensor& input) { return function(input); }

FULMEN_PLAIN(Sigmoid, std::mem_fn(&Tensor::sigmoid))
FULMEN_PLAIN(Tanh, std::mem_fn(&Tensor::tanh))
FULMEN_PLAIN(SiLU, F::silu)
FULMEN_PLAIN(Mish, F::mish)
FULMEN_PLAIN(LogSigmoid, F::logsigmoid)
FULMEN_PLAIN(Softsign, F::softsign)
FULMEN_PLAIN(Tanhshrink, F::tanhshrink)
#undef FULMEN_PLAIN

SoftmaxImpl::SoftmaxImpl(int64_t dim) : SoftmaxImpl(SoftmaxOptions(dim)) {}
SoftminImpl::SoftminImpl(int64_t dim) : SoftminImpl(SoftminOptions(dim)) {}
LogSoftmaxImpl::LogSoftmaxImpl(int64_t dim) : LogSoftmaxImpl(LogSoftmaxOptions(dim)) {}
ThresholdImpl::ThresholdImpl(double threshold, double value) : ThresholdImpl(ThresholdOptions(threshold, value)) {}

void ELUImpl::pretty_print(std::ostream& stream) const {
  Printed(stream, "ELU").arg("alpha", options.alpha()).arg_unless("inplace", options.inplace(), false);
}
Tensor ELUImpl::forward(Tensor input) { return F::elu(std::move(input), options); }

void SELUImpl::pretty_print(std::ostream& stream) const {
  Printed(stream, "SELU").arg_unless("inplace", options.inplace(), false);
}
Tensor SELUImpl::forward(Tensor input) { return F::selu(std::move(input), options); }

void CELUImpl::pretty_print(std::ostream& stream) const {
  Printed(stream, "CELU").arg("alpha", options.alpha()).arg_unless("inplace", options.inplace(), false);
}
Tensor CELUImpl::forward(Tensor input) { return F::celu(std::move(input), options); }

void GELUImpl::pretty_print(std::ostream& stream) const {
  Printed(stream, "GELU").arg_unless("approximate", options.approximate(), std::string("none"));
}
Tensor GELUImpl::forward(const Tensor& input) { return F::gelu(input, options); }

void GLUImpl::pretty_print(std::ostream& stream) const { Printed(stream, "GLU").arg("dim", options.dim()); }
Tensor GLUImpl::forward(const Tensor& input) { return F::glu(input, options); }

void ReLUImpl::pretty_print(std::ostream& stream) const {
  Printed(stream, "ReLU").arg_unless("inplace", options.inplace(), false);
}
Tensor ReLUImpl::forward(Tensor input) { return F::relu(std::move(input), options); }

void ReLU6Impl::pretty_print(std::ostream& stream) const {
  Printed(stream, "ReLU6").arg_unless("inplace", options.inplace(), false);
}
Tensor ReLU6Impl::forward(Tensor input) { return F::relu6(std::move(input), options); }

void RReLUImpl::pretty_print(std::ostream& stream) const {
  Printed(stream, "RReLU")
      .arg("lower", options.lower())
      .arg("upper", options.upper())
      .arg_unless("inplace", options.inplace(), false);
}
Tensor RReLUImpl::forward(Tensor input) {
  return F::rrelu(std::move(input), F::RReLUFuncOptions()
                                        .lower(options.lower())
                                        .upper(options.upper())
                                        .training(is_training())
                                        .inplace(options.inplace()));
}

void LeakyReLUImpl::pretty_print(std::ostream& stream) const {
  Printed(stream, "LeakyReLU")
      .arg("negative_slope", options.negative_slope())
      .arg_unless("inplace", options.inplace(), false);
}
Tensor LeakyReLUImpl::forward(Tensor input) { return F::leaky_relu(std::move(input), options); }

void HardshrinkImpl::pretty_print(std::ostream& stream) const { Printed(stream, "Hardshrink").arg(options.lambda()); }
Tensor HardshrinkImpl::forward(const Tensor& input) { return F::hardshrink(input, options); }

void SoftshrinkImpl::pretty_print(std::ostream& stream) const { Printed(stream, "Softshrink").arg(options.lambda()); }
Tensor SoftshrinkImpl::forward(const Tensor& input) { return F::softshrink(input, options); }

HardtanhImpl::HardtanhImpl(const HardtanhOptions& options_) : options(options_) { HardtanhImpl::reset(); }
void HardtanhImpl::reset() {
  FULMEN_CHECK(options.min_val() < options.max_val(), "Hardtanh: max_val must be greater than min_val; got min_val ",
               options.min_val(), ", max_val ", options.max_val());
}
void HardtanhImpl::pretty_print(std::ostream& stream) const {
  Printed(stream, "Hardtanh")
      .arg("min_val", options.min_val())
      .arg("max_val", options.max_val())
      .arg_unless("inplace", options.inplace(), false);
}
Tensor HardtanhImpl::forward(Tensor input) { return F::hardtanh(std::move(input), options); }

void SoftplusImpl::pretty_print(std::ostream& stream) const {
  Printed(stream, "Softplus").arg("beta", options.beta()).arg("threshold", options.threshold());
}
Tensor SoftplusImpl::forward(const Tensor& input) { return F::softplus(input, options); }

void ThresholdImpl::pretty_print(std::ostream& stream) const {
  Printed(stream, "Threshold")
      .arg("threshold", options.threshold())
      .arg("value", options.value())
      .arg_unless("inplace", options.inplace(), false);
}
Tensor ThresholdImpl::forward(Tensor input) { return F::threshold(std::move(input), options); }

PReLUImpl::PReLUImpl(const PReLUOptions& options_) : options(options_) { PReLUImpl::reset(); }
void PReLUImpl::reset() { weight = register_parameter("weight", full({options.num_parameters()}, options.init())); }
void PReLUImpl::pretty_print(std::ostream& stream) const {
  Printed(stream, "PReLU").arg("num_parameters", options.num_parameters());
}
Tensor PReLUImpl::forward(const Tensor& input) { return F::prelu(input, weight); }

void SoftmaxImpl::pretty_print(std::ostream& stream) const { Printed(stream, "Softmax").arg("dim", options.dim()); }
Tensor SoftmaxImpl::forward(const Tensor& input) { return input.softmax(options.dim()); }

void SoftminImpl::pretty_print(std::ostream& stream) const { Printed(stream, "Softmin").arg("dim", options.dim()); }
Tensor SoftminImpl::forward(const Tensor& input) { return F::softmin(input, options.dim()); }

void LogSoftmaxImpl::pretty_print(std::ostream& stream) const {
  Printed(stream, "LogSoftmax").arg("dim", options.dim());
}
Tensor LogSoftmaxImpl::forward(const Tensor& input) { return input.log_softmax(options.dim()); }

void Softmax2dImpl::reset() {}
void Softmax2dImpl::pretty_print(std::ostream& stream) const { Printed(stream, "Softmax2d"); }
Tensor Softmax2dImpl::forward(const Tensor& input) {
  FULMEN_CHECK(input.dim() == 4 || input.dim() == 3, "Softmax2d requires a 3D or 4D tensor as input; got ", input);
  return input.softmax(-3);
}

}  // namespace fulmen::nn
