#pragma once
#include <fulmen/data/preprocessor.h>

#include <vector>

// Transforms with an inverse, for inputs and targets: fitted on training data, stored with the model, undone on
// predictions. All are differentiable and work on every device and floating-point type.
//
// Statistics are per column (the last dimension) when fitted on a tensor of two or more dimensions, and one number for
// everything when fitted on a tensor of one dimension. They are computed and kept in float64.
namespace fulmen::data {

class Transform : public Preprocessor {
 public:
  /// Learns from x: [n] or [..., columns]. Throws on empty tensors and on values that are not finite.
  virtual void fit(const Tensor& x) = 0;
  virtual Tensor operator()(const Tensor& x) const = 0;
  /// The x that operator() maps to y, in x's units.
  virtual Tensor inverse(const Tensor& y) const = 0;
};

/// y = (x - shift) / scale, per column or for all: what Standardize and MinMax have in common.
class AffineTransform : public Transform {
 public:
  Tensor operator()(const Tensor& x) const final;
  Tensor inverse(const Tensor& y) const final;
  bool fitted() const final { return learnt_->shift.defined(); }

 protected:
  AffineTransform() : learnt_(std::make_shared<Learnt>()) {}
  void learn(std::vector<double> shift, std::vector<double> scale, bool per_column);
  void learn(const Tensor& shift, const Tensor& scale);
  const Tensor& shift() const { return learnt_->shift; }
  const Tensor& scale() const { return learnt_->scale; }

 private:
  struct Learnt {
    Tensor shift, scale;              // float64, [columns] or []
    Tensor shift_float, scale_float;  // the same for the usual input
  };
  /// x - or y's - dtype and device, checked against the number of columns.
  std::pair<Tensor, Tensor> matching(const Tensor& x) const;
  std::shared_ptr<Learnt> learnt_;
};

/// Mean 0 and standard deviation 1 (over n, not n - 1). A constant column is only shifted.
class Standardize final : public AffineTransform {
 public:
  std::string kind() const override { return "standardize"; }
  void fit(const Tensor& x) override;
  PreprocessorState state() const override;
  void load_state(const PreprocessorState& state) override;
  /// float64 [columns] or []; undefined before fit.
  const Tensor& mean() const { return shift(); }
  const Tensor& std() const { return scale(); }
};

/// Median 0, and median distance from it as in a normal distribution of standard deviation 1: what Standardize is for
/// data with outliers, of which up to half change little. A column of which more than half is one value is only
/// shifted.
class RobustStandardize final : public AffineTransform {
 public:
  std::string kind() const override { return "robust_standardize"; }
  void fit(const Tensor& x) override;
  PreprocessorState state() const override;
  void load_state(const PreprocessorState& state) override;
  /// float64 [columns] or []; undefined before fit.
  const Tensor& median() const { return shift(); }
  const Tensor& spread() const { return scale(); }
};

/// The range of the training data becomes low..high; other data may lie outside. A constant column becomes low.
class MinMax final : public AffineTransform {
 public:
  explicit MinMax(double low = 0, double high = 1);
  std::string kind() const override { return "min_max"; }
  void fit(const Tensor& x) override;
  PreprocessorState state() const override;
  void load_state(const PreprocessorState& state) override;

 private:
  struct Range {
    double low, high;
  };
  std::shared_ptr<Range> range_;
};

/// y = log(1 + x), for values above -1 that span orders of magnitude, such as prices.
class Log1p final : public Transform {
 public:
  std::string kind() const override { return "log1p"; }
  /// Learns nothing; throws if a value is not above -1.
  void fit(const Tensor& x) override;
  Tensor operator()(const Tensor& x) const override { return x.log1p(); }
  Tensor inverse(const Tensor& y) const override { return y.expm1(); }
  bool fitted() const override { return true; }
  PreprocessorState state() const override { return {}; }
  void load_state(const PreprocessorState&) override {}
};

/// Log1p if the values it is fitted on are positive and skewed to the right (skewness above 1), as prices are;
/// otherwise no change. For targets of any kind of data.
class Log1pIfSkewed final : public Transform {
 public:
  Log1pIfSkewed() : used_(std::make_shared<Used>()) {}
  std::string kind() const override { return "log1p_if_skewed"; }
  void fit(const Tensor& x) override;
  Tensor operator()(const Tensor& x) const override { return used_->log ? x.log1p() : x; }
  Tensor inverse(const Tensor& y) const override { return used_->log ? y.expm1() : y; }
  bool fitted() const override { return used_->fitted; }
  PreprocessorState state() const override;
  void load_state(const PreprocessorState& state) override;
  /// Whether the logarithm is taken.
  bool used() const { return used_->log; }

 private:
  struct Used {
    bool log = false, fitted = false;
  };
  std::shared_ptr<Used> used_;
};

/// Values below low become low, values above high become high. The inverse cannot know them and changes nothing.
class Clip final : public Transform {
 public:
  /// No limits: load_state gives them.
  Clip();
  Clip(double low, double high);
  std::string kind() const override { return "clip"; }
  void fit(const Tensor& x) override;
  Tensor operator()(const Tensor& x) const override;
  Tensor inverse(const Tensor& y) const override { return y; }
  bool fitted() const override { return true; }
  PreprocessorState state() const override;
  void load_state(const PreprocessorState& state) override;

 private:
  struct Limits {
    double low, high;
  };
  std::shared_ptr<Limits> limits_;
};

/// One transform after the other: `Chain price{Log1p(), Standardize()}`. Each is fitted on what the ones before it
/// give.
class Chain final : public Transform {
 public:
  Chain() : parts_(std::make_shared<Parts>()) {}
  template <class... T>
  requires(std::derived_from<T, Transform>&&...) && (sizeof...(T) > 0) explicit Chain(T... transforms) : Chain() {
    (parts_->push_back(std::make_shared<T>(std::move(transforms))), ...);
  }
  std::string kind() const override { return "chain"; }
  void fit(const Tensor& x) override;
  Tensor operator()(const Tensor& x) const override;
  Tensor inverse(const Tensor& y) const override;
  bool fitted() const override;
  PreprocessorState state() const override;
  /// An empty chain becomes what the state describes; another one must consist of the same kinds.
  void load_state(const PreprocessorState& state) override;
  size_t size() const { return parts_->size(); }
  const Transform& operator[](size_t i) const { return *parts_->at(i); }

 private:
  using Parts = std::vector<std::shared_ptr<Transform>>;
  std::shared_ptr<Parts> parts_;
};

/// The third standardised moment of all values: above 1 means a long tail to the right, where Log1p helps.
double skewness(const Tensor& x);

}  // namespace fulmen::data
