#include <cxxabi.h>
#include <fulmen/autograd/function.h>
#include <fulmen/autograd/meta.h>

#include <algorithm>
#include <cstdlib>

namespace fulmen::autograd {

std::string demangled(const char* type_name) {
  int status = 0;
  char* text = abi::__cxa_demangle(type_name, nullptr, nullptr, &status);
  std::string out = status == 0 ? text : type_name;
  std::free(text);
  return out;
}

IValue& AutogradContext::SavedData::operator[](std::string_view key) {
  for (auto& [name, value] : entries_) {
    if (name == key) return value;
  }
  return entries_.emplace_back(std::string(key), IValue()).second;
}

void AutogradContext::mark_dirty(const variable_list& inputs) {
  dirty_ = inputs;
  for (const Tensor& t : inputs) t.storage()->version.increment();
}

bool AutogradContext::needs_input_grad(size_t index) const { return node_->needs(index); }

bool AutogradContext::needs_input_grad(std::initializer_list<IndexRange> ranges) const {
  for (auto [begin, end] : ranges) {
    for (size_t i = begin; i < end; ++i) {
      if (needs_input_grad(i)) return true;
    }
  }
  return false;
}

variable_list AutogradContext::get_saved_variables() const {
  FULMEN_CHECK(
      !released_,
      "Trying to backward through the graph a second time (or directly access saved variables after "
      "they have already been freed). Saved intermediate values of the graph are freed when you call .backward() "
      "or autograd::grad(). Specify retain_graph=true if you need to backward through the graph a second time.");
  variable_list out;
  for (const SavedTensor& s : saved_) out.push_back(unpack(s, *node_));
  return out;
}

namespace {

bool contains(const variable_list& list, const Tensor& t) {
  return std::any_of(list.begin(), list.end(), [&](const Tensor& x) { return x.is_same(t); });
}

}  // namespace

void CustomNode::keep_saved(const variable_list& inputs, const variable_list& outputs) {
  (void)inputs;
  for (const Tensor& t : std::exchange(context.to_save_, {})) {
    SavedTensor s;
    if (t.defined()) {
      s.version = t.storage()->version.load();
      s.tensor = t;
      for (size_t i = 0; i < outputs.size(); ++i) {
        if (outputs[i].is_same(t)) {
          s.output_nr = static_cast<int32_t>(i);
          s.tensor = t.detach();  // a node that owned its own output would never be freed
        }
      }
    }
    context.saved_.push_back(std::move(s));
  }
}

Tensor CustomNode::wrap_output(const NodePtr& self, const variable_list& inputs, const Tensor& out, uint32_t index,
                               bool recording) {
  if (!out.defined()) return out;
  bool is_input = contains(inputs, out), dirty = contains(context.dirty_, out);
  bool differentiable = out.is_floating_point() && !contains(context.non_differentiable_, out);
  if (!recording || !differentiable) return is_input && !dirty ? out.detach() : out;
  output_storage_[index] = {Shape(out.sizes()), out.scalar_type(), out.device()};
  if (dirty) {
    FULMEN_CHECK(!(out.is_leaf() && out.requires_grad()),
                 "a leaf Variable that requires grad is being used in an in-place operation.");
    rebase_history(out, self, index);
    return out;
  }
  Tensor result = is_input || !out.is_leaf() || out.requires_grad() ? out.detach() : out;
  set_history(result, self, index);
  return result;
}

variable_list CustomNode::finish(NodePtr owner, const variable_list& inputs, variable_list outputs, bool recording) {
  auto* node = static_cast<CustomNode*>(owner.get());
  node->context.node_ = node;
  for (const Tensor& t : inputs) node->edge_storage_.push_back(recording && t.defined() ? gradient_edge(t) : Edge());
  node->output_storage_.resize(outputs.size());
  node->edges_ = node->edge_storage_;
  node->outputs_ = node->output_storage_;
  node->stay_newer_than_inputs();
  variable_list results;
  for (uint32_t i = 0; i < outputs.size(); ++i) {
    results.push_back(node->wrap_output(owner, inputs, outputs[i], i, recording));
  }
  if (recording) node->keep_saved(inputs, results);
  return results;
}

void CustomNode::apply(TensorSpan gy, TensorSpan gx) {
  variable_list grads(gy.begin(), gy.end());
  for (size_t i = 0; i < grads.size(); ++i) {
    const OutputMeta& meta = output_storage_[i];
    if (grads[i].defined() || !context.materialize_grads_ || meta.dtype == ScalarType::Undefined) continue;
    Forward f("Function");
    Tensor zeros = f.empty(meta.sizes, meta.dtype, meta.device);
    zeros.zero_();
    grads[i] = std::move(zeros);
  }
  variable_list results = backward_(&context, std::move(grads));
  size_t expected = is_tensor_.size();
  while (results.size() > expected && !results.back().defined()) results.pop_back();
  FULMEN_CHECK(results.size() == expected, "function ", name_, " returned an incorrect number of gradients (expected ",
               expected, ", got ", results.size(), ")");
  size_t edge = 0;
  for (size_t i = 0; i < expected; ++i) {
    if (!is_tensor_[i]) {
      FULMEN_CHECK(!results[i].defined(), "function ", name_, " returned a gradient different than None at position ",
                   i + 1, ", but the corresponding forward input was not a Variable");
      continue;
    }
    gx[edge++] = std::move(results[i]);
  }
}

void CustomNode::release_variables() {
  context.saved_.clear();
  context.released_ = true;
}

namespace {

struct NoGradient final : Node, Pooled {
  explicit NoGradient(const variable_list& inputs) {
    for (const Tensor& t : inputs) edge_storage.push_back(t.defined() ? gradient_edge(t) : Edge());
    for (const Tensor& t : inputs) {
      output_storage.push_back(t.defined() ? OutputMeta{Shape(t.sizes()), t.scalar_type(), t.device()} : OutputMeta());
    }
    edges_ = edge_storage;
    outputs_ = output_storage;
    stay_newer_than_inputs();
  }
  using Pooled::operator new;
  using Pooled::operator delete;
  std::string name() const override { return "UndefinedGradBackward"; }
  void apply(TensorSpan, TensorSpan) override {}
  std::vector<Edge> edge_storage;
  std::vector<OutputMeta> output_storage;
};

}  // namespace

variable_list UndefinedGrad::apply(variable_list inputs) const {
  bool recording = modes.grad && Machine::wants_grad(inputs);
  NodePtr node = NodePtr::adopt(new NoGradient(inputs));
  variable_list outputs;
  for (uint32_t i = 0; i < inputs.size(); ++i) {
    outputs.push_back(inputs[i].defined() ? inputs[i].detach() : Tensor());
    if (recording && outputs.back().defined()) set_history(outputs.back(), node, i);
  }
  return outputs;
}

Tensor make_variable(const Tensor& data, bool requires_grad) {
  Tensor leaf = data.detach();
  leaf.requires_grad_(requires_grad);
  return leaf;
}

}  // namespace fulmen::autograd
