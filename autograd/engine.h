#pragma once
#include <fulmen/autograd/node.h>

namespace fulmen::autograd {

struct GraphTask;

/// Runs backward passes: newest node first, on the calling thread, without recursion.
class Engine {
 public:
  struct Options {
    bool keep_graph = false;
    bool create_graph = false;
    bool starts_with_one = false;  ///< the only root's gradient is the 1 that backward() makes by itself
    bool accumulate = true;        ///< add to grad() of leaves; otherwise collect gradients of `inputs` only
  };
  /// Sends `gradients` into `roots`. With `inputs` only the paths that lead to them run; returns their gradients
  /// (undefined where none arrived) unless they are accumulated.
  /// Takes the gradients over.
  static variable_list run(std::span<const Edge> roots, TensorSpan gradients, std::span<const Tensor> inputs,
                           Options options);
  /// The node whose rule is running on this thread; null outside of a backward pass.
  static const Node* running_node();
  static bool wanted(const Edge& edge);
  /// True if `gy` is still the 1 that the pass started from, and the pass frees the graph and records nothing: then a
  /// rule may return what it saved for this case. The host knows, without a look at the device.
  static bool is_one_and_last(const Tensor& gy);
};

/// Sum of gradients of `tensors` with respect to the leaves, added to their grad(). A gradient may be left undefined
/// for one-element tensors.
void backward(const variable_list& tensors, const variable_list& grad_tensors = {},
              std::optional<bool> retain_graph = std::nullopt, bool create_graph = false,
              const variable_list& inputs = {});

/// backward() of one tensor; `gradient` may be undefined.
void backward_from(const Tensor& tensor, const Tensor& gradient, std::optional<bool> retain_graph, bool create_graph,
                   std::span<const Tensor> inputs);

/// Gradients of `outputs` with respect to `inputs`, nothing accumulated.
variable_list grad(const variable_list& outputs, const variable_list& inputs, const variable_list& grad_outputs = {},
                   std::optional<bool> retain_graph = std::nullopt, bool create_graph = false,
                   bool allow_unused = false);

}  // namespace fulmen::autograd
