#include <fulmen/autograd/accumulate.h>
#include <fulmen/autograd/grad_mode.h>

#include <mutex>

namespace fulmen::autograd {

namespace {
// Guards the weak pointer from a leaf to its accumulator, which two threads may look up or drop at the same time.
std::mutex& accumulator_mutex() {
  static auto* mutex = new std::mutex;
  return *mutex;
}
}  // namespace

AccumulateGrad::AccumulateGrad(const Tensor& leaf) : leaf_(leaf) {
  output_ = {Shape(leaf.sizes()), leaf.scalar_type(), leaf.device()};
  outputs_ = {&output_, 1};
  sequence_ = 0;
}

AccumulateGrad::~AccumulateGrad() {
  std::lock_guard lock(accumulator_mutex());
  AutogradMeta& meta = *leaf_.impl()->meta;
  if (meta.accumulator == this) meta.accumulator = nullptr;
}

NodePtr accumulator_of(const Tensor& leaf) {
  AutogradMeta& meta = meta_of(leaf);
  std::lock_guard lock(accumulator_mutex());
  if (meta.accumulator && NodeAccess::refs(*meta.accumulator).increment_unless_zero()) {
    return NodePtr::adopt(meta.accumulator);
  }
  meta.accumulator = new AccumulateGrad(leaf);
  return NodePtr::adopt(meta.accumulator);
}

Tensor AccumulateGrad::hooked(Tensor gradient) const {
  const HookList& hooks = meta_of(leaf_).hooks;
  for (size_t i = 0; i < hooks.size(); ++i) {
    std::shared_ptr<HookSlot> slot = hooks[i];
    if (!slot->hook) continue;
    if (Tensor replaced = (*slot->hook)(gradient); replaced.defined()) gradient = std::move(replaced);
  }
  return gradient;
}

void AccumulateGrad::apply(TensorSpan gy, TensorSpan) {
  if (meta_of(leaf_).hooks.empty()) {
    accumulate_grad(leaf_, gy[0]);
  } else {
    accumulate_grad(leaf_, hooked(std::move(gy[0])));
  }
}

void accumulate_grad_of(TensorImpl* variable, const Tensor& gradient) {
  variable->refs.increment();
  accumulate_grad(Tensor::adopt(variable), gradient);
}

void accumulate_grad(const Tensor& variable, const Tensor& gradient) {
  Tensor& grad = meta_of(variable).grad;
  if (!grad.defined()) {
    bool unshared = gradient.use_count() == 1 && gradient.storage().use_count() == 1 && gradient.is_contiguous();
    if (GradMode::is_enabled()) {
      grad = gradient.clone();
    } else {
      grad = unshared ? gradient.detach() : gradient.detach().clone();
    }
  } else if (GradMode::is_enabled()) {
    grad = grad.add(gradient);
  } else {
    grad.add_(gradient);
  }
}

}  // namespace fulmen::autograd
