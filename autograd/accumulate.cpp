#include <fulmen/autograd/accumulate.h>
#include <fulmen/autograd/grad_mode.h>

namespace fulmen::autograd {

AccumulateGrad::AccumulateGrad(TensorImpl* leaf) : leaf_(leaf) {
  output_ = {leaf->sizes, leaf->dtype, leaf->storage->device};
  outputs_ = {&output_, 1};
  sequence_ = 0;
}

NodePtr accumulator_of(const Tensor& leaf) {
  Node** place = &meta_of(leaf).accumulator;
  Node* node = __atomic_load_n(place, __ATOMIC_ACQUIRE);
  if (!node) {
    // Two threads may use the leaf for the first time at once: one of them wins.
    Node* made = new AccumulateGrad(leaf.impl());
    if (__atomic_compare_exchange_n(place, &node, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
      node = made;
    } else {
      release_node(made);
    }
  }
  return NodePtr(node);
}

void AccumulateGrad::leave(HookList hooks) {
  hooks_ = std::move(hooks);
  leaf_ = nullptr;
}

Tensor AccumulateGrad::hooked(Tensor gradient) const {
  for (size_t i = 0; i < hooks().size(); ++i) {
    std::shared_ptr<HookSlot> slot = hooks()[i];
    if (!slot->hook) continue;
    if (Tensor replaced = (*slot->hook)(gradient); replaced.defined()) gradient = std::move(replaced);
  }
  return gradient;
}

void AccumulateGrad::apply(TensorSpan gy, TensorSpan) {
  Tensor gradient = hooks().empty() ? std::move(gy[0]) : hooked(std::move(gy[0]));
  if (leaf_) accumulate_grad_of(leaf_, gradient);
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
