#include <fulmen/autograd/accumulate.h>
#include <fulmen/autograd/engine.h>
#include <fulmen/autograd/engine_memory.h>
#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/meta.h>
#include <fulmen/autograd/op.h>
#include <fulmen/kernels/creation.h>

// backward() and grad(): what a pass starts from.
namespace fulmen::autograd {

namespace {

/// Roots and start gradients of a pass, with PyTorch's checks.
void prepare(std::span<const Tensor> tensors, std::span<const Tensor> given, Buffer<Edge>& roots,
             GradientBuffer& gradients) {
  FULMEN_CHECK(given.empty() || given.size() == tensors.size(), "got ", tensors.size(), " tensors and ", given.size(),
               " gradients");
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& t = tensors[i];
    FULMEN_CHECK(t.defined() && t.requires_grad(), "element ", i,
                 " of tensors does not require grad and does not have a grad_fn");
    if (!given.empty() && given[i].defined()) {
      FULMEN_CHECK(given[i].sizes() == t.sizes(), "Mismatch in shape: grad_output[", i, "] has a shape of ",
                   given[i].sizes(), " and output[", i, "] has a shape of ", t.sizes(), ".");
      gradients[i] = given[i];
    } else {
      FULMEN_CHECK(t.numel() == 1, "grad can be implicitly created only for scalar outputs; the tensor is ", t);
      Forward f("backward");
      Tensor one = f.empty_like(t);
      kernel::fill(f.launch(one), f.out(one), 1, 1);
      gradients[i] = std::move(one);
    }
    roots[i] = gradient_edge(t);
  }
}

bool starts_with_one(std::span<const Tensor> tensors, std::span<const Tensor> given) {
  return tensors.size() == 1 && (given.empty() || !given[0].defined());
}

void backward_all(std::span<const Tensor> tensors, std::span<const Tensor> given, std::optional<bool> retain_graph,
                  bool create_graph, std::span<const Tensor> inputs) {
  Buffer<Edge> roots(tensors.size());
  GradientBuffer gradients(tensors.size());
  prepare(tensors, given, roots, gradients);
  Engine::Options options{retain_graph.value_or(create_graph), create_graph, starts_with_one(tensors, given)};
  for (const Tensor& t : inputs) {
    FULMEN_CHECK(t.defined() && t.requires_grad(), "One of the differentiated Tensors does not require grad");
  }
  variable_list results = Engine::run(roots, gradients, inputs, options);
  AutoGradMode mode(create_graph);
  for (size_t i = 0; i < results.size(); ++i) {
    // Leaves were accumulated by their own node; other tensors keep what was captured.
    if (!inputs[i].is_leaf() && results[i].defined() && !inputs[i].retains_grad())
      accumulate_grad(inputs[i], results[i]);
  }
}

}  // namespace

void backward(const variable_list& tensors, const variable_list& grad_tensors, std::optional<bool> retain_graph,
              bool create_graph, const variable_list& inputs) {
  backward_all(tensors, grad_tensors, retain_graph, create_graph, inputs);
}

void backward_from(const Tensor& tensor, const Tensor& gradient, std::optional<bool> retain_graph, bool create_graph,
                   std::span<const Tensor> inputs) {
  backward_all({&tensor, 1}, {&gradient, 1}, retain_graph, create_graph, inputs);
}

variable_list grad(const variable_list& outputs, const variable_list& inputs, const variable_list& grad_outputs,
                   std::optional<bool> retain_graph, bool create_graph, bool allow_unused) {
  FULMEN_CHECK(!inputs.empty(), "grad requires non-empty inputs.");
  Buffer<Edge> roots(outputs.size());
  GradientBuffer gradients(outputs.size());
  prepare(outputs, grad_outputs, roots, gradients);
  variable_list results =
      Engine::run(roots, gradients, inputs,
                  {retain_graph.value_or(create_graph), create_graph, starts_with_one(outputs, grad_outputs), false});
  for (const Tensor& g : results) {
    FULMEN_CHECK(
        allow_unused || g.defined(),
        "One of the differentiated Tensors appears to not have been used in the graph. Set allow_unused=True if "
        "this is the desired behavior.");
  }
  return results;
}

}  // namespace fulmen::autograd
