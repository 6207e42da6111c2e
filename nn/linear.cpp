#include <fulmen/autograd/ops/creation.h>
#include <fulmen/nn/check.h>
#include <fulmen/nn/functional/linear.h>
#include <fulmen/nn/init.h>
#include <fulmen/nn/linear.h>
#include <fulmen/nn/print.h>

#include <cmath>

namespace fulmen::nn {

void IdentityImpl::reset() {}
void IdentityImpl::pretty_print(std::ostream& stream) const { Printed(stream, "Identity"); }

LinearImpl::LinearImpl(int64_t in_features, int64_t out_features)
    : LinearImpl(LinearOptions(in_features, out_features)) {}
LinearImpl::LinearImpl(const LinearOptions& options_) : options(options_) { LinearImpl::reset(); }

void LinearImpl::reset() {
  FULMEN_CHECK(options.in_features() >= 0 && options.out_features() >= 0, "Linear: in_features ", options.in_features(),
               " and out_features ", options.out_features(), " must not be negative");
  weight = register_parameter("weight", empty({options.out_features(), options.in_features()}));
  bias = options.bias() ? register_parameter("bias", empty({options.out_features()}))
                        : register_parameter("bias", {}, /*requires_grad=*/false);
  reset_parameters();
}

void LinearImpl::reset_parameters() {
  init::kaiming_uniform_(weight, std::sqrt(5.0));
  if (!bias.defined() || options.in_features() == 0) return;
  const double bound = 1 / std::sqrt(static_cast<double>(options.in_features()));
  init::uniform_(bias, -bound, bound);
}

void LinearImpl::pretty_print(std::ostream& stream) const {
  Printed(stream, "Linear")
      .arg("in_features", options.in_features())
      .arg("out_features", options.out_features())
      .arg("bias", options.bias());
}

Tensor LinearImpl::forward(const Tensor& input) {
  check_features(*this, input, weight);
  return functional::linear(input, weight, bias);
}

FlattenImpl::FlattenImpl(const FlattenOptions& options_) : options(options_) {}
void FlattenImpl::reset() {}
void FlattenImpl::pretty_print(std::ostream& stream) const {
  Printed(stream, "Flatten").arg("start_dim", options.start_dim()).arg("end_dim", options.end_dim());
}
Tensor FlattenImpl::forward(const Tensor& input) { return input.flatten(options.start_dim(), options.end_dim()); }

UnflattenImpl::UnflattenImpl(int64_t dim, std::vector<int64_t> sizes)
    : UnflattenImpl(UnflattenOptions(dim, std::move(sizes))) {}
UnflattenImpl::UnflattenImpl(UnflattenOptions options_) : options(std::move(options_)) {}
void UnflattenImpl::reset() {}
void UnflattenImpl::pretty_print(std::ostream& stream) const {
  Printed(stream, "Unflatten").arg("dim", options.dim()).arg("unflattened_size", IntArrayRef(options.sizes()));
}
Tensor UnflattenImpl::forward(const Tensor& input) { return input.unflatten(options.dim(), options.sizes()); }

BilinearImpl::BilinearImpl(int64_t in1_features, int64_t in2_features, int64_t out_features)
    : BilinearImpl(BilinearOptions(in1_features, in2_features, out_features)) {}
BilinearImpl::BilinearImpl(const BilinearOptions& options_) : options(options_) { BilinearImpl::reset(); }

void BilinearImpl::reset() {
  weight =
      register_parameter("weight", empty({options.out_features(), options.in1_features(), options.in2_features()}));
  bias = options.bias() ? register_parameter("bias", empty({options.out_features()}))
                        : register_parameter("bias", {}, /*requires_grad=*/false);
  reset_parameters();
}

void BilinearImpl::reset_parameters() {
  const double bound = 1 / std::sqrt(static_cast<double>(options.in1_features()));
  init::uniform_(weight, -bound, bound);
  if (bias.defined()) init::uniform_(bias, -bound, bound);
}

void BilinearImpl::pretty_print(std::ostream& stream) const {
  Printed(stream, "Bilinear")
      .arg("in1_features", options.in1_features())
      .arg("in2_features", options.in2_features())
      .arg("out_features", options.out_features())
      .arg("bias", options.bias());
}

Tensor BilinearImpl::forward(const Tensor& input1, const Tensor& input2) {
  return functional::bilinear(input1, input2, weight, bias);
}

}  // namespace fulmen::nn
