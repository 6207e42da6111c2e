#include <fulmen/autograd/engine.h>
#include <fulmen/autograd/meta.h>
#include <fulmen/autograd/op.h>
#include <fulmen/kernels/kernel.h>
#include <fulmen/tensor/device_memory.h>

#include <cctype>

namespace fulmen::autograd {

// --- Forward -------------------------------------------------------------------------------------------------------

namespace {

/// A second handle on x's storage.
TensorImpl* alias_of(const Tensor& x) {
  TensorImpl* impl = TensorImpl::make();
  impl->dtype = x.scalar_type();
  impl->storage = x.storage();
  return impl;
}

Tensor alias(const Tensor& x) {
  TensorImpl* impl = alias_of(x);
  impl->sizes = x.impl()->sizes;
  impl->strides = x.impl()->strides;
  impl->offset = x.impl()->offset;
  impl->numel = x.impl()->numel;
  impl->contiguous = x.impl()->contiguous;
  return Tensor::adopt(impl);
}

bool same_geometry(const Tensor& a, const Tensor& b) {
  return a.impl()->offset == b.impl()->offset && a.impl()->sizes == b.impl()->sizes &&
         a.impl()->strides == b.impl()->strides && a.scalar_type() == b.scalar_type();
}

template <class ViewType>
void fill_view(ViewType& view, const Tensor& t) {
  const TensorImpl& impl = *t.impl();
  view.data = impl.data();
  view.dtype = impl.dtype;
  view.ndim = static_cast<int32_t>(impl.sizes.size());
  view.numel = impl.numel;
  impl.sizes.copy_to(view.sizes);
  impl.strides.copy_to(view.strides);
}

}  // namespace

Output Forward::empty(IntArrayRef sizes, ScalarType dtype, Device device) {
  if (target_) [[unlikely]] {
    const Tensor& self = *std::exchange(target_, nullptr);
    if (self.scalar_type() == dtype && self.impl()->sizes == sizes) return Output(alias(self));
  }
  return Output(Tensor::adopt(TensorImpl::allocate(sizes, dtype, device)));
}

Output Forward::view(const Tensor& x, IntArrayRef sizes, IntArrayRef strides, int64_t offset) {
  TensorImpl* impl = alias_of(x);
  impl->sizes.assign(sizes);
  impl->strides.assign(strides);
  impl->offset = offset;
  impl->refresh();
  return Output(Tensor::adopt(impl));
}

}  // namespace fulmen::autograd

void fulmen::no_cuda_kernel(const char* name) {
  fail(str(name,
           ": this build of Fulmen has no CUDA kernels; move the tensors to the CPU, or build with -DFULMEN_CUDA=ON"));
}

namespace fulmen::autograd {

Launch Forward::launch(Device device) {
  stay_on(device);
  if (device.is_cpu()) return Launch(-1, cpu_isa(), nullptr, op_);
  return Launch(device.index(), 0, cuda::launch_stream(device.index()), op_);
}

void Forward::two_devices(Device other) const {
  fail(str(op_, ": Expected all tensors to be on the same device, but found at least two devices, ", device_, " and ",
           other, "! Move the tensors with .to(device)"));
}

View Forward::out(const Tensor& y) {
  stay_on(y.device());
  View view;
  fill_view(view, y);
  return view;
}

ConstView Forward::in(const Tensor& x) {
  stay_on(x.device());
  ConstView view;
  fill_view(view, x);
  return view;
}

// --- RecordedOp and Saved ------------------------------------------------------------------------------------------

RecordedOp::~RecordedOp() = default;

/// "log_softmax" becomes "LogSoftmaxBackward0", PyTorch's form.
std::string RecordedOp::name() const {
  std::string out;
  bool upper = true;
  for (const char* c = op_name_; *c; ++c) {
    if (*c == '_') {
      upper = true;
    } else {
      out += upper ? static_cast<char>(std::toupper(*c)) : *c;
      upper = false;
    }
  }
  return out + "Backward0";
}

void RecordedOp::release_variables() {
  if (saved_count_ > 0) released_ = true;
  for (SavedTensor& s : saved_) s.tensor.reset();
  more_saved_.clear();
}

Tensor Saved::operator[](size_t i) const {
  FULMEN_CHECK(!node_.released_,
               "Trying to backward through the graph a second time (or directly access saved tensors after they have "
               "already been freed). Saved intermediate values of the graph are freed when you call .backward() or "
               "autograd::grad(). Specify retain_graph=true if you need to backward through the graph a second time.");
  const SavedTensor& s = i < Forward::inline_kept ? node_.saved_[i] : node_.more_saved_[i - Forward::inline_kept];
  return unpack(s, node_);
}

Tensor unpack(const SavedTensor& s, const Node& node) {
  if (!s.tensor.defined()) return {};
  uint32_t now = s.tensor.storage()->version.load();
  FULMEN_CHECK(now == s.version,
               "one of the variables needed for gradient computation has been modified by an inplace operation: [",
               to_string(s.tensor.scalar_type()), "Tensor ", s.tensor.sizes(), "]",
               s.output_nr >= 0 ? str(", which is output ", s.output_nr, " of ", node.name(), ",") : std::string(),
               " is at version ", now, "; expected version ", s.version,
               " instead. Use the value before changing it, or clone() it.");
  if (s.output_nr < 0) return s.tensor;
  // The node owned a bare alias of its output; give it its history back, for the second derivative.
  Tensor restored = alias(s.tensor);
  if (modes.grad) {
    set_history(restored, NodePtr(const_cast<Node*>(&node)), static_cast<uint32_t>(s.output_nr));
  }
  return restored;
}

bool Saved::needs(size_t input) const { return node_.needs(input); }

// --- Machine -------------------------------------------------------------------------------------------------------

bool Machine::wants_grad(std::span<const Tensor> list) {
  for (const Tensor& t : list) {
    if (wants_grad(t)) return true;
  }
  return false;
}

void Machine::mark_inference(Tensor& out) { out.impl()->inference = true; }

namespace {

SavedTensor save_one(const char* op, const Tensor& t, std::span<const Tensor* const> in, std::span<Tensor* const> out,
                     const TensorImpl* target) {
  if (!t.defined()) return {};
  SavedTensor s;
  s.version = t.storage()->version.load();
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i]->is_same(t)) {
      s.output_nr = static_cast<int32_t>(i);
      s.tensor = alias(t);
      // An in-place result is saved before the write is counted.
      if (target && target->storage.is_alias_of(t.storage())) ++s.version;
      return s;
    }
  }
  for (const Tensor* x : in) {
    if (!x->is_same(t)) continue;
    FULMEN_CHECK(!t.is_inference(),
                 "Inference tensors cannot be saved for backward. To work around you can make a clone "
                 "to get a normal tensor and use it in autograd.");
    s.tensor = t;
    return s;
  }
  fail(str(op,
           ": saved a tensor that is neither input nor output: return it as an extra output, or the second "
           "derivative would be wrong"));
}

}  // namespace

void Machine::record(RecordedOp* node, Forward& f, std::span<const Tensor* const> in, std::span<Tensor* const> out) {
  NodePtr owner = NodePtr::adopt(node);
  for (size_t i = 0; i < in.size(); ++i) {
    if (in[i]->defined()) node->edges_[i] = gradient_edge(*in[i]);
  }
  node->stay_newer_than_inputs();
  for (uint32_t i = 0; i < f.kept_count_; ++i) {
    node->saved_[i] = save_one(node->op_name_, f.kept_[i], in, out, f.inplace_);
  }
  for (const Tensor& t : f.more_kept_) {
    node->more_saved_.push_back(save_one(node->op_name_, t, in, out, f.inplace_));
  }
  node->saved_count_ = f.kept_count_;
  for (size_t i = 0; i < out.size(); ++i) {
    TensorImpl* impl = out[i]->impl();
    if (!impl) continue;
    node->outputs_[i] = {impl->sizes, impl->dtype, impl->storage->device};
    if (!is_floating_point(impl->dtype) || impl == f.non_differentiable_) continue;
    set_history(*out[i], owner, static_cast<uint32_t>(i));
  }
}

void Machine::mark_view(const Tensor& x, Tensor& out, bool recorded) {
  TensorImpl* impl = out.impl();
  if (modes.inference || x.is_inference()) {
    impl->inference = x.is_inference();
    if (impl->inference) return;
  }
  impl->is_view = true;
  AutogradMeta& meta = meta_of(out);
  meta.base = x.impl()->is_view ? meta_of(x).base : x;
  meta.attr_version = impl->storage->version.load();
  CreationMeta inherited = x.impl()->is_view ? meta_of(x).creation : CreationMeta::DEFAULT;
  meta.creation = inherited != CreationMeta::DEFAULT ? inherited
                  : modes.inference                  ? CreationMeta::INFERENCE_MODE
                  : modes.grad                       ? CreationMeta::DEFAULT
                                                     : CreationMeta::NO_GRAD_MODE;
  (void)recorded;
}

namespace {

void check_view_may_change(const Tensor& self) {
  const AutogradMeta& meta = meta_of(self);
  const char* rule =
      " and is being modified inplace with grad mode enabled. Given that this use case is ambiguous and error-prone, "
      "it is "
      "forbidden. You can clarify your code by moving both the view and the inplace either both inside the no_grad "
      "block "
      "(if you don't want the inplace to be tracked) or both outside (if you want the inplace to be tracked).";
  switch (meta.creation) {
    case CreationMeta::DEFAULT:
      return;
    case CreationMeta::NO_GRAD_MODE:
      fail(str("A view was created in no_grad mode", rule));
    case CreationMeta::INFERENCE_MODE:
      fail(str("A view was created in inference mode", rule));
    case CreationMeta::MULTI_OUTPUT_NODE:
      fail(
          "Output of a function that returns multiple views is being modified inplace. This view is the output of a "
          "function that returns multiple views. Such functions do not allow the output views to be modified inplace. "
          "You should replace the inplace operation by an out-of-place one.");
    case CreationMeta::IN_CUSTOM_FUNCTION:
      fail(
          "Output of a custom Function is a view and is being modified inplace. This view was created inside a custom "
          "Function (or because an input was returned as-is) and the autograd logic to handle view+inplace would "
          "override "
          "the custom backward associated with the custom Function, leading to incorrect gradients. This behavior is "
          "forbidden. You can fix this by cloning the output of the custom Function.");
  }
}

}  // namespace

void Machine::check_inplace(const Tensor& self, const char* op, bool recording) {
  FULMEN_CHECK(self.defined(), op, "_: the tensor to write to is undefined");
  FULMEN_CHECK(!self.is_inference() || modes.inference,
               "Inplace update to inference tensor outside InferenceMode is not allowed. You can make a clone to get a "
               "normal tensor before doing inplace update.");
  if (self.impl()->strides.size() > 0 && !self.is_contiguous()) {
    for (size_t i = 0; i < self.impl()->sizes.size(); ++i) {
      FULMEN_CHECK(self.impl()->strides[i] != 0 || self.impl()->sizes[i] <= 1, op,
                   "_: unsupported operation: more than one element of the written-to tensor refers to a single memory "
                   "location. Please clone() the tensor before performing the operation.");
    }
  }
  if (!recording) return;
  if (self.impl()->is_view) {
    check_view_may_change(self);
    FULMEN_CHECK(!(self.requires_grad() && meta_of(self).base.is_leaf()),
                 "a view of a leaf Variable that requires grad is being used in an in-place operation.");
  }
  FULMEN_CHECK(!(self.requires_grad() && self.is_leaf()),
               "a leaf Variable that requires grad is being used in an in-place operation.");
}

Tensor Machine::values_before(const Tensor& self) {
  Tensor copy;
  {
    NoGradGuard no_grad;
    copy = self.clone();
  }
  if (Edge edge = gradient_edge(self); edge.is_valid()) set_history(copy, std::move(edge.function), edge.input_nr);
  return copy;
}

bool Machine::overlaps(const Tensor& self, const Tensor& other) {
  return other.defined() && self.storage().is_alias_of(other.storage()) && !same_geometry(self, other);
}

void Machine::finish_inplace(const Tensor& self, Tensor result, bool recorded) {
  if (!result.is_same(self) && !(result.storage().is_alias_of(self.storage()) && same_geometry(self, result))) {
    FULMEN_CHECK(result.impl()->sizes == self.sizes(), "output with shape ", self.sizes(),
                 " doesn't match the broadcast shape ", result.sizes());
    FULMEN_CHECK(can_cast(result.scalar_type(), self.scalar_type()), "result type ", to_string(result.scalar_type()),
                 " can't be cast to the desired output type ", to_string(self.scalar_type()));
    NoGradGuard no_grad;
    self.copy_(result);  // counts the write
  } else if (!self.is_inference()) {
    self.storage()->version.increment();
  }
  if (recorded && result.impl()->grad_fn) {
    rebase_history(self, NodePtr(result.impl()->grad_fn), result.impl()->output_nr);
  }
}

}  // namespace fulmen::autograd
