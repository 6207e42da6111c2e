#pragma once
#include <fulmen/nn/any_module.h>
#include <fulmen/nn/cloneable.h>
#include <fulmen/nn/options.h>

namespace fulmen::nn {

/// Returns its input.
class IdentityImpl : public Cloneable<IdentityImpl> {
 public:
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(const Tensor& input) { return input; }
};
FULMEN_MODULE(Identity);

struct LinearOptions {
  LinearOptions(int64_t in_features, int64_t out_features) : in_features_(in_features), out_features_(out_features) {}
  FULMEN_ARG(int64_t, in_features);
  FULMEN_ARG(int64_t, out_features);
  /// Whether to add a learnable bias.
  FULMEN_ARG(bool, bias) = true;
};

/// y = x W^T + b, with W [out_features, in_features] and b [out_features]; x [*, in_features] -> y [*, out_features].
/// Both start uniform in ±1/sqrt(in_features).
class LinearImpl : public Cloneable<LinearImpl> {
 public:
  LinearImpl(int64_t in_features, int64_t out_features);
  explicit LinearImpl(const LinearOptions& options_);
  void reset() override;
  /// Draws new initial values.
  void reset_parameters();
  void pretty_print(std::ostream& stream) const override;
  /// Another number of features is error E001, another dtype E002.
  Tensor forward(const Tensor& input);

  LinearOptions options;
  Tensor weight, bias;  ///< bias is undefined with .bias(false)
};
FULMEN_MODULE(Linear);

struct FlattenOptions {
  FULMEN_ARG(int64_t, start_dim) = 1;
  FULMEN_ARG(int64_t, end_dim) = -1;
};

/// Joins the dimensions start_dim..end_dim into one.
class FlattenImpl : public Cloneable<FlattenImpl> {
 public:
  explicit FlattenImpl(const FlattenOptions& options_ = {});
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(const Tensor& input);

  FlattenOptions options;
};
FULMEN_MODULE(Flatten);

struct UnflattenOptions {
  UnflattenOptions(int64_t dim, std::vector<int64_t> sizes) : dim_(dim), sizes_(std::move(sizes)) {}
  FULMEN_ARG(int64_t, dim);
  FULMEN_ARG(std::vector<int64_t>, sizes);
};

/// Splits dimension `dim` into `sizes` (one of which may be -1).
class UnflattenImpl : public Cloneable<UnflattenImpl> {
 public:
  UnflattenImpl(int64_t dim, std::vector<int64_t> sizes);
  explicit UnflattenImpl(UnflattenOptions options_);
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(const Tensor& input);

  UnflattenOptions options;
};
FULMEN_MODULE(Unflatten);

struct BilinearOptions {
  BilinearOptions(int64_t in1_features, int64_t in2_features, int64_t out_features)
      : in1_features_(in1_features), in2_features_(in2_features), out_features_(out_features) {}
  FULMEN_ARG(int64_t, in1_features);
  FULMEN_ARG(int64_t, in2_features);
  FULMEN_ARG(int64_t, out_features);
  FULMEN_ARG(bool, bias) = true;
};

/// y_k = x1^T W_k x2 + b_k, with W [out, in1, in2].
class BilinearImpl : public Cloneable<BilinearImpl> {
 public:
  BilinearImpl(int64_t in1_features, int64_t in2_features, int64_t out_features);
  explicit BilinearImpl(const BilinearOptions& options_);
  void reset() override;
  void reset_parameters();
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(const Tensor& input1, const Tensor& input2);

  BilinearOptions options;
  Tensor weight, bias;
};
FULMEN_MODULE(Bilinear);

}  // namespace fulmen::nn
