#pragma once
#include <fulmen/autograd/ivalue.h>
#include <fulmen/autograd/op.h>

#include <typeinfo>

namespace fulmen::autograd {

using IndexRange = std::pair<size_t, size_t>;
class CustomNode;

/// What a custom Function keeps between forward and backward.
class AutogradContext {
 public:
  AutogradContext() = default;
  AutogradContext(const AutogradContext&) = delete;
  AutogradContext& operator=(const AutogradContext&) = delete;

  /// Named values; `ctx->saved_data["scale"] = 2.0`.
  class SavedData {
   public:
    IValue& operator[](std::string_view key);

   private:
    std::vector<std::pair<std::string, IValue>> entries_;
  } saved_data;

  /// Tensors for backward: inputs, outputs or any others. Undefined entries stay undefined.
  void save_for_backward(variable_list tensors) { to_save_ = std::move(tensors); }
  /// Throws if one of them was changed in place since, or if the graph was freed.
  variable_list get_saved_variables() const;
  /// Inputs that forward changed in place.
  void mark_dirty(const variable_list& inputs);
  /// Outputs that have no derivative.
  void mark_non_differentiable(const variable_list& outputs) { non_differentiable_ = outputs; }
  /// Whether backward sees zeros (default) or undefined tensors for outputs without a gradient.
  void set_materialize_grads(bool on) { materialize_grads_ = on; }
  /// Whether the running backward pass wants the gradient of tensor argument `index`.
  bool needs_input_grad(size_t index) const;
  bool needs_input_grad(std::initializer_list<IndexRange> ranges) const;

 private:
  friend class CustomNode;
  variable_list to_save_, dirty_, non_differentiable_;
  std::vector<SavedTensor> saved_;
  bool materialize_grads_ = true, released_ = false;
  CustomNode* node_ = nullptr;
};

/// A user's Function as a graph node.
class CustomNode final : public Node {
 public:
  using Backward = variable_list (*)(AutogradContext*, variable_list);
  CustomNode(std::string name, Backward backward, std::vector<bool> is_tensor)
      : name_(std::move(name)), backward_(backward), is_tensor_(std::move(is_tensor)) {}
  std::string name() const override { return name_; }
  void apply(TensorSpan gy, TensorSpan gx) override;
  void release_variables() override;
  /// Gives the outputs of forward their history; returns what the user gets.
  static variable_list finish(NodePtr node, const variable_list& inputs, variable_list outputs, bool recording);
  AutogradContext context;

 private:
  friend class AutogradContext;
  Tensor wrap_output(const NodePtr& self, const variable_list& inputs, const Tensor& out, uint32_t index,
                     bool recording);
  void keep_saved(const variable_list& inputs, const variable_list& outputs);
  std::string name_;
  Backward backward_;
  std::vector<bool> is_tensor_;
  std::vector<Edge> edge_storage_;
  std::vector<OutputMeta> output_storage_;
};

std::string demangled(const char* type_name);

/// An operation with a derivative written by the user:
///
///   struct Scale : Function<Scale> {
///     static Tensor forward(AutogradContext* ctx, Tensor x, double factor);
///     static variable_list backward(AutogradContext* ctx, variable_list gy);   // one entry per argument of forward
///   };
///   Tensor y = Scale::apply(x, 2.0);
template <class T>
struct Function {
  template <class X = T, class... Args>
  static auto apply(Args&&... args) -> decltype(X::forward(static_cast<AutogradContext*>(nullptr), args...)) {
    using Result = decltype(X::forward(static_cast<AutogradContext*>(nullptr), args...));
    variable_list inputs;
    std::vector<bool> is_tensor;
    (collect(inputs, is_tensor, args), ...);
    bool recording = modes.grad && Machine::wants_grad(inputs);
    auto* node = new CustomNode(type_name(), &X::backward, std::move(is_tensor));
    NodePtr owner = NodePtr::adopt(node);
    if constexpr (std::is_same_v<Result, variable_list>) {
      variable_list outputs;
      {
        NoGradGuard no_grad;
        outputs = X::forward(&node->context, std::forward<Args>(args)...);
      }
      return CustomNode::finish(std::move(owner), inputs, std::move(outputs), recording);
    } else {
      variable_list outputs(1);
      {
        NoGradGuard no_grad;
        outputs[0] = X::forward(&node->context, std::forward<Args>(args)...);
      }
      return CustomNode::finish(std::move(owner), inputs, std::move(outputs), recording)[0];
    }
  }

 private:
  template <class A>
  static void collect(variable_list& inputs, std::vector<bool>& is_tensor, const A& arg) {
    if constexpr (std::is_convertible_v<const A&, const Tensor&>) {
      is_tensor.push_back(true);
      inputs.push_back(arg);
    } else {
      is_tensor.push_back(false);
    }
  }
  static std::string type_name() { return "CppNode<" + demangled(typeid(T).name()) + ">"; }
};

/// Passes values through and answers backward with an undefined gradient.
class UndefinedGrad {
 public:
  variable_list apply(variable_list inputs) const;
};

/// A tensor over the same data as a leaf of its own.
Tensor make_variable(const Tensor& data, bool requires_grad = false);

}  // namespace fulmen::autograd
