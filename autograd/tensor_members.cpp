#include <fulmen/autograd/accumulate.h>
#include <fulmen/autograd/engine.h>
#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/meta.h>
#include <fulmen/autograd/op.h>
#include <fulmen/tensor/warning.h>

// The members of Tensor that concern its place in the graph.
namespace fulmen {

using namespace autograd;

namespace {

/// A handle on the same memory, outside of any graph.
Tensor bare(const Tensor& t, Storage storage) {
  TensorImpl* impl = TensorImpl::make();
  const TensorImpl& from = *t.impl();
  impl->dtype = from.dtype;
  impl->storage = std::move(storage);
  impl->sizes = from.sizes;
  impl->strides = from.strides;
  impl->offset = from.offset;
  impl->numel = from.numel;
  impl->contiguous = from.contiguous;
  impl->inference = from.inference;
  return Tensor::adopt(impl);
}

}  // namespace

Tensor Tensor::detach() const { return bare(*this, storage()); }
Tensor Tensor::data() const { return bare(*this, Storage::alias(storage())); }

Tensor& Tensor::detach_() const {
  FULMEN_CHECK(
      !get()->is_view,
      "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for "
      "training, and gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and hence detach_() "
      "cannot be called on these gradients.");
  if (Node* node = std::exchange(impl_->grad_fn, nullptr)) release_node(node);
  impl_->requires_grad = false;
  impl_->output_nr = 0;
  return const_cast<Tensor&>(*this);
}

Tensor& Tensor::requires_grad_(bool on) const {
  FULMEN_CHECK(!on || is_floating_point(),
               "Only Tensors of floating point and complex dtype can require gradients; got ",
               to_string(scalar_type()));
  FULMEN_CHECK(!on || !is_inference() || modes.inference,
               "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.");
  FULMEN_CHECK(on || is_leaf(),
               "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a "
               "subgraph that doesn't require differentiation use var_no_grad = var.detach().");
  if (is_leaf()) impl_->requires_grad = on;
  return const_cast<Tensor&>(*this);
}

Tensor& Tensor::mutable_grad() const { return meta_of(*this).grad; }

const Tensor& Tensor::grad() const {
  static const Tensor* none = new Tensor;
  if (!is_leaf() && !retains_grad() && !(impl_->meta && impl_->meta->grad.defined())) {
    warn(
        "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be "
        "populated during autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf "
        "Tensor, "
        "use .retain_grad() on the non-leaf Tensor.");
  }
  return get()->meta ? impl_->meta->grad : *none;
}

void Tensor::backward(const Tensor& gradient, std::optional<bool> retain_graph, bool create_graph,
                      std::optional<TensorList> inputs) const {
  std::span<const Tensor> only;
  if (inputs) {
    FULMEN_CHECK(!inputs->empty(), "'inputs' argument to backward cannot be empty");
    only = {inputs->data(), inputs->size()};
  }
  autograd::backward_from(*this, gradient, retain_graph, create_graph, only);
}

unsigned Tensor::add_hook(TensorHook* hook) const {
  std::unique_ptr<TensorHook> owned(hook);
  FULMEN_CHECK(requires_grad(), "cannot register a hook on a variable that doesn't require gradient");
  AutogradMeta& meta = meta_of(*this);
  auto slot = std::make_shared<HookSlot>();
  slot->hook = std::move(owned);
  if (NodePtr node = grad_fn()) {
    slot->output_nr = impl_->output_nr;
    NodeHooks*& hooks = NodeAccess::hooks(*node);
    if (!hooks) hooks = new NodeHooks;
    hooks->on_input.push_back(slot);
  }
  meta.hooks.push_back(std::move(slot));
  return static_cast<unsigned>(meta.hooks.size() - 1);
}

void Tensor::remove_hook(unsigned position) const {
  HookList& hooks = meta_of(*this).hooks;
  FULMEN_CHECK(position < hooks.size(), "Invalid index, no hook at position ", position);
  hooks[position]->hook.reset();
}

Tensor& Tensor::set_data(const Tensor& source) const {
  FULMEN_CHECK(source.defined(), "set_data: the new data is undefined");
  FULMEN_CHECK(!requires_grad() || source.is_floating_point(),
               "data set to a tensor that requires gradients must be "
               "floating point dtype; got ",
               source);
  TensorImpl& from = *source.impl();
  // An accumulator checks gradients against the old type, shape and device: the next graph makes a new one.
  const bool alike = impl_->meta && from.dtype == impl_->dtype && from.sizes == impl_->sizes &&
                     from.storage->device == impl_->storage->device;
  if (impl_->meta && impl_->meta->accumulator && !alike) {
    auto* accumulator = static_cast<AccumulateGrad*>(std::exchange(impl_->meta->accumulator, nullptr));
    accumulator->leave({});
    release_node(accumulator);
  }
  get()->dtype = from.dtype;
  impl_->storage = from.storage;
  impl_->sizes = from.sizes;
  impl_->strides = from.strides;
  impl_->offset = from.offset;
  impl_->numel = from.numel;
  impl_->contiguous = from.contiguous;
  return const_cast<Tensor&>(*this);
}

const std::string& Tensor::name() const { return meta_of(*this).name; }

}  // namespace fulmen
