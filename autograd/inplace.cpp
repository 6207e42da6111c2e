#include <fulmen/autograd/accumulate.h>
#include <fulmen/autograd/meta.h>
#include <fulmen/autograd/op.h>
#include <fulmen/autograd/ops/views.h>

// How history follows writes: into a tensor, into a view (the base must learn of it), and from a base to its views.
namespace fulmen::autograd {

namespace {

/// The derivative of "base with a part of it replaced by f(part)": the part's gradient goes through f, the rest passes.
class CopySlices final : public Node, public Pooled {
 public:
  CopySlices(const Tensor& base, const Tensor& view, NodePtr fn, uint32_t output_nr)
      : fn_(std::move(fn)), fn_output_(output_nr), sizes_(view.sizes()), strides_(view.strides()) {
    offset_ = view.storage_offset() - base.storage_offset();
    base_strides_ = base.strides();
    edges_storage_.assign(fn_->next_edges().begin(), fn_->next_edges().end());
    edges_storage_[0] = gradient_edge(base);
    edges_ = edges_storage_;
    output_ = {Shape(base.sizes()), base.scalar_type(), base.device()};
    outputs_ = {&output_, 1};
  }
  using Pooled::operator new;
  using Pooled::operator delete;
  std::string name() const override { return "CopySlices"; }

  void apply(TensorSpan gy, TensorSpan gx) override {
    // The gradient in the base's own layout, so that the view's strides select the same elements.
    Tensor whole = empty_strided_like(gy[0]);
    whole.copy_(gy[0]);
    Tensor part = whole.as_strided(sizes_, strides_, offset_ + whole.storage_offset());
    variable_list into_fn(fn_->num_inputs());
    into_fn[fn_output_] = part.clone();
    variable_list from_fn = (*fn_)(std::move(into_fn));
    if (from_fn[0].defined()) {
      part.copy_(from_fn[0].expand(sizes_));
    } else {
      part.zero_();
    }
    gx[0] = std::move(whole);
    for (size_t i = 1; i < gx.size(); ++i) gx[i] = std::move(from_fn[i]);
  }
  void release_variables() override { fn_->release_variables(); }

 private:
  Tensor empty_strided_like(const Tensor& like) const {
    int64_t extent = 1;
    for (size_t i = 0; i < base_strides_.size(); ++i) extent += (like.sizes()[i] - 1) * base_strides_[i];
    Tensor flat = empty_flat(like, like.numel() == 0 ? 0 : extent);
    return flat.as_strided(like.sizes(), base_strides_, 0);
  }
  static Tensor empty_flat(const Tensor& like, int64_t count) {
    Forward f("copy_slices");
    return static_cast<Tensor>(f.empty({count}, like.scalar_type(), like.device()));
  }

  NodePtr fn_;
  uint32_t fn_output_;
  Shape sizes_, strides_, base_strides_;
  int64_t offset_;
  std::vector<Edge> edges_storage_;
  OutputMeta output_;
};

/// The history of a view after its base was written to: the part of the base's gradient that it looks at.
class AsStridedOfBase final : public Node, public Pooled {
 public:
  AsStridedOfBase(const Tensor& base, const Tensor& view)
      : edge_(gradient_edge(base)),
        base_sizes_(base.sizes()),
        sizes_(view.sizes()),
        strides_(view.strides()),
        base_strides_(base.strides()),
        offset_(view.storage_offset()),
        base_offset_(base.storage_offset()) {
    edges_ = {&edge_, 1};
    output_ = {sizes_, view.scalar_type(), view.device()};
    outputs_ = {&output_, 1};
  }
  using Pooled::operator new;
  using Pooled::operator delete;
  std::string name() const override { return "AsStridedBackward0"; }
  void apply(TensorSpan gy, TensorSpan gx) override {
    gx[0] = as_strided_backward(gy[0], base_sizes_, base_strides_, base_offset_, sizes_, strides_, offset_);
  }

 private:
  Edge edge_;
  OutputMeta output_;
  Shape base_sizes_, sizes_, strides_, base_strides_;
  int64_t offset_, base_offset_;
};

/// A view whose base was written to since must take its history from the base again.
void refresh_view_history(const Tensor& view) {
  TensorImpl* impl = view.impl();
  AutogradMeta& meta = *impl->meta;
  uint32_t now = impl->storage->version.load();
  if (meta.attr_version == now || (!impl->grad_fn && !meta.base.requires_grad())) return;
  meta.attr_version = now;
  if (!meta.base.requires_grad()) return;
  set_history(view, NodePtr::adopt(new AsStridedOfBase(meta.base, view)), 0);
}

}  // namespace

AutogradMeta& meta_of(const Tensor& t) {
  TensorImpl* impl = t.impl();
  FULMEN_CHECK(impl, "an undefined tensor has no autograd information");
  AutogradMeta* meta = __atomic_load_n(&impl->meta, __ATOMIC_ACQUIRE);
  if (!meta) {
    // Two threads may use a leaf for the first time at once: one of them wins.
    auto* made = new AutogradMeta;
    if (__atomic_compare_exchange_n(&impl->meta, &meta, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return *made;
    delete made;
  }
  return *meta;
}

void release_meta(AutogradMeta* meta) noexcept {
  if (meta->retained_by) {
    auto& list = NodeAccess::hooks(*meta->retained_by)->retained;
    std::erase_if(list, [&](const NodeHooks::Retained& r) { return r.tensor->meta == meta; });
  }
  if (meta->accumulator) {
    static_cast<AccumulateGrad*>(meta->accumulator)->leave(std::move(meta->hooks));
    release_node(meta->accumulator);
  }
  delete meta;
}

Edge gradient_edge(const Tensor& t) {
  TensorImpl* impl = t.impl();
  if (impl->is_view) refresh_view_history(t);
  if (impl->grad_fn) return {NodePtr(impl->grad_fn), impl->output_nr};
  if (impl->requires_grad) return {accumulator_of(t), 0};
  return {};
}

namespace {

void stop_retaining(AutogradMeta& meta, TensorImpl* impl) {
  if (!meta.retained_by) return;
  auto& list = NodeAccess::hooks(*meta.retained_by)->retained;
  std::erase_if(list, [&](const NodeHooks::Retained& r) { return r.tensor == impl; });
  meta.retained_by = nullptr;
}

void retain_at(AutogradMeta& meta, TensorImpl* impl) {
  stop_retaining(meta, impl);
  NodeHooks*& hooks = NodeAccess::hooks(*impl->grad_fn);
  if (!hooks) hooks = new NodeHooks;
  hooks->retained.push_back({impl, impl->output_nr});
  meta.retained_by = impl->grad_fn;
}

}  // namespace

void set_history(const Tensor& t, NodePtr node, uint32_t output_nr) {
  TensorImpl* impl = t.impl();
  Node* before = std::exchange(impl->grad_fn, node.release());
  impl->output_nr = output_nr;
  if (impl->meta) {
    AutogradMeta& meta = *impl->meta;
    meta.hooks.clear();  // they belong to the value they were registered on, whose node keeps them
    if (meta.retains_grad) retain_at(meta, impl);
  }
  if (before) release_node(before);
}

void rebase_history(const Tensor& self, NodePtr node, uint32_t output_nr) {
  if (!self.impl()->is_view) return set_history(self, std::move(node), output_nr);
  const Tensor base = meta_of(self).base;
  auto* slices = new CopySlices(base, self, std::move(node), output_nr);
  set_history(base, NodePtr::adopt(slices), 0);
  meta_of(self).attr_version = self.storage()->version.load() - 1;  // force the view to look at its base again
  refresh_view_history(self);
}

}  // namespace fulmen::autograd

namespace fulmen {

using namespace autograd;

bool Tensor::base_requires_grad() const { return impl_->meta->base.requires_grad(); }
bool Tensor::grad_fn_of_view() const {
  refresh_view_history(*this);
  return impl_->grad_fn != nullptr;
}
bool Tensor::is_view() const { return get()->is_view; }
const Tensor& Tensor::_base() const { return get()->is_view ? impl_->meta->base : *this; }

NodePtr Tensor::grad_fn() const {
  if (get()->is_view) refresh_view_history(*this);
  return impl_->grad_fn ? NodePtr(impl_->grad_fn) : NodePtr();
}

void Tensor::retain_grad() const {
  FULMEN_CHECK(requires_grad(), "can't retain_grad on Tensor that has requires_grad=False");
  if (is_leaf()) return;
  AutogradMeta& meta = meta_of(*this);
  if (meta.retains_grad) return;
  meta.retains_grad = true;
  retain_at(meta, impl_);
}

bool Tensor::retains_grad() const { return !is_leaf() && impl_->meta && impl_->meta->retains_grad; }

}  // namespace fulmen
