#pragma once
#include <fulmen/autograd/meta.h>

namespace fulmen::autograd {

/// The end of every path: adds what arrives to the leaf's grad(). The leaf owns its accumulator; when the leaf goes
/// first, the accumulator takes over its hooks and has nothing else left to do.
class AccumulateGrad final : public Node, public Pooled {
 public:
  explicit AccumulateGrad(TensorImpl* leaf);
  using Pooled::operator new;
  using Pooled::operator delete;
  std::string name() const override { return "AccumulateGrad"; }
  void apply(TensorSpan gy, TensorSpan gx) override;
  /// The leaf is about to be destroyed.
  void leave(HookList hooks);
  /// The gradient after the leaf's own hooks.
  Tensor hooked(Tensor gradient) const;

 private:
  const HookList& hooks() const { return leaf_ ? leaf_->meta->hooks : hooks_; }
  TensorImpl* leaf_;
  HookList hooks_;
  OutputMeta output_;
};

/// The accumulator of a leaf that requires grad; made on first use.
NodePtr accumulator_of(const Tensor& leaf);

/// grad() += gradient, in place where nobody else can see it.
void accumulate_grad(const Tensor& variable, const Tensor& gradient);
/// The same for a tensor that is known by its body only.
void accumulate_grad_of(TensorImpl* variable, const Tensor& gradient);

}  // namespace fulmen::autograd
