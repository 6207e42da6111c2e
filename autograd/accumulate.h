#pragma once
#include <fulmen/autograd/meta.h>

namespace fulmen::autograd {

/// The end of every path: adds what arrives to the leaf's grad().
class AccumulateGrad final : public Node, public Pooled {
 public:
  explicit AccumulateGrad(const Tensor& leaf);
  ~AccumulateGrad() override;
  using Pooled::operator new;
  using Pooled::operator delete;
  std::string name() const override { return "AccumulateGrad"; }
  void apply(TensorSpan gy, TensorSpan gx) override;
  const Tensor& variable() const { return leaf_; }
  /// The gradient after the leaf's own hooks.
  Tensor hooked(Tensor gradient) const;

 private:
  Tensor leaf_;
  OutputMeta output_;
};

/// The accumulator of a leaf that requires grad; made on first use.
NodePtr accumulator_of(const Tensor& leaf);

/// grad() += gradient, in place where nobody else can see it.
void accumulate_grad(const Tensor& variable, const Tensor& gradient);
/// The same for a tensor that is known by its body only.
void accumulate_grad_of(TensorImpl* variable, const Tensor& gradient);

}  // namespace fulmen::autograd
