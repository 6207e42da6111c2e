#pragma once
#include <fulmen/nn/any_module.h>
#include <fulmen/nn/cloneable.h>
#include <fulmen/nn/functional/activation.h>

// Activations as modules; their maths is documented in nn/functional/activation.h.
namespace fulmen::nn {

// A module without state: options, and a forward that calls the function of the same name.
#define FULMEN_ACTIVATION(Name, Input)                       \
  class Name##Impl : public Cloneable<Name##Impl> {          \
   public:                                                   \
    explicit Name##Impl(const Name##Options& options_ = {}); \
    void reset() override;                                   \
    void pretty_print(std::ostream& stream) const override;  \
    Tensor forward(Input input);                             \
    Name##Options options;                                   \
  };                                                         \
  FULMEN_MODULE(Name)

FULMEN_ACTIVATION(ELU, Tensor);
FULMEN_ACTIVATION(SELU, Tensor);
FULMEN_ACTIVATION(CELU, Tensor);
FULMEN_ACTIVATION(GELU, const Tensor&);
FULMEN_ACTIVATION(GLU, const Tensor&);
FULMEN_ACTIVATION(ReLU, Tensor);
FULMEN_ACTIVATION(ReLU6, Tensor);
FULMEN_ACTIVATION(RReLU, Tensor);
FULMEN_ACTIVATION(Hardshrink, const Tensor&);
FULMEN_ACTIVATION(Softshrink, const Tensor&);
FULMEN_ACTIVATION(Softplus, const Tensor&);
#undef FULMEN_ACTIVATION

// The same without options.
#define FULMEN_ACTIVATION(Name)                             \
  class Name##Impl : public Cloneable<Name##Impl> {         \
   public:                                                  \
    void reset() override;                                  \
    void pretty_print(std::ostream& stream) const override; \
    Tensor forward(const Tensor& input);                    \
  };                                                        \
  FULMEN_MODULE(Name)

FULMEN_ACTIVATION(Sigmoid);
FULMEN_ACTIVATION(Tanh);
FULMEN_ACTIVATION(SiLU);
FULMEN_ACTIVATION(Mish);
FULMEN_ACTIVATION(LogSigmoid);
FULMEN_ACTIVATION(Softsign);
FULMEN_ACTIVATION(Tanhshrink);
/// Softmax over the channels of [N, C, H, W] or [C, H, W].
FULMEN_ACTIVATION(Softmax2d);
#undef FULMEN_ACTIVATION

class LeakyReLUImpl : public Cloneable<LeakyReLUImpl> {
 public:
  explicit LeakyReLUImpl(const LeakyReLUOptions& options_ = {});
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(Tensor input);

  LeakyReLUOptions options;
};
FULMEN_MODULE(LeakyReLU);

/// max_val must be greater than min_val.
class HardtanhImpl : public Cloneable<HardtanhImpl> {
 public:
  explicit HardtanhImpl(const HardtanhOptions& options_ = {});
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(Tensor input);

  HardtanhOptions options;
};
FULMEN_MODULE(Hardtanh);

class ThresholdImpl : public Cloneable<ThresholdImpl> {
 public:
  ThresholdImpl(double threshold, double value);
  explicit ThresholdImpl(const ThresholdOptions& options_);
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(Tensor input);

  ThresholdOptions options;
};
FULMEN_MODULE(Threshold);

/// A learnable slope for negative values: one for all, or one per channel (dimension 1).
class PReLUImpl : public Cloneable<PReLUImpl> {
 public:
  explicit PReLUImpl(const PReLUOptions& options_ = {});
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(const Tensor& input);

  PReLUOptions options;
  Tensor weight;  ///< [num_parameters]
};
FULMEN_MODULE(PReLU);

class SoftmaxImpl : public Cloneable<SoftmaxImpl> {
 public:
  explicit SoftmaxImpl(int64_t dim);
  explicit SoftmaxImpl(const SoftmaxOptions& options_);
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(const Tensor& input);

  SoftmaxOptions options;
};
FULMEN_MODULE(Softmax);

class SoftminImpl : public Cloneable<SoftminImpl> {
 public:
  explicit SoftminImpl(int64_t dim);
  explicit SoftminImpl(const SoftminOptions& options_);
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(const Tensor& input);

  SoftminOptions options;
};
FULMEN_MODULE(Softmin);

class LogSoftmaxImpl : public Cloneable<LogSoftmaxImpl> {
 public:
  explicit LogSoftmaxImpl(int64_t dim);
  explicit LogSoftmaxImpl(const LogSoftmaxOptions& options_);
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(const Tensor& input);

  LogSoftmaxOptions options;
};
FULMEN_MODULE(LogSoftmax);

}  // namespace fulmen::nn
