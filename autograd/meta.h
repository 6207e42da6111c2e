#pragma once
#include <fulmen/autograd/node.h>
#include <fulmen/tensor/pool.h>

#include <memory>

namespace fulmen::autograd {

/// How a view came to be; decides whether it may be modified in place while recording.
enum class CreationMeta : uint8_t { DEFAULT, IN_CUSTOM_FUNCTION, MULTI_OUTPUT_NODE, NO_GRAD_MODE, INFERENCE_MODE };

/// One registered hook; shared by the tensor, which may remove it, and the node that calls it.
struct HookSlot {
  std::unique_ptr<TensorHook> hook;  ///< null after removal
  uint32_t output_nr = 0;
};
using HookList = std::vector<std::shared_ptr<HookSlot>>;

/// Hooks on the gradients that arrive at a node, and the tensors that asked to keep theirs.
struct NodeHooks {
  HookList on_input;
  struct Retained {
    TensorImpl* tensor;  ///< not owned: removed by release_meta when the tensor goes first
    uint32_t output_nr;
  };
  std::vector<Retained> retained;
};

/// What only some tensors have: gradient, accumulator, hooks, and the base of a view.
struct AutogradMeta : Pooled {
  Tensor grad;
  Node* accumulator = nullptr;  ///< owned; made when the leaf is first used
  Tensor base;                  ///< of a view
  CreationMeta creation = CreationMeta::DEFAULT;
  uint32_t attr_version = 0;    ///< storage version for which grad_fn of a view is right
  Node* retained_by = nullptr;  ///< node whose retained list names this tensor
  bool retains_grad = false;
  HookList hooks;
  std::string name;

  bool has_bw_view() const { return base.defined(); }
  CreationMeta get_creation_meta() const { return creation; }
  void set_creation_meta(CreationMeta c) { creation = c; }
};
using DifferentiableViewMeta = AutogradMeta;

/// The tensor's meta, made if there is none.
AutogradMeta& meta_of(const Tensor& t);

/// Where the gradient of `t` goes; invalid if it does not require one.
Edge gradient_edge(const Tensor& t);

/// Makes `node` the history of output `output_nr`, as after an in-place operation: reaches the base of a view.
void rebase_history(const Tensor& self, NodePtr node, uint32_t output_nr);

/// Sets the history of a new tensor.
void set_history(const Tensor& t, NodePtr node, uint32_t output_nr);

/// Access to a node's internals for the files of this room.
struct NodeAccess {
  static std::span<Edge> edges(Node& n) { return n.edges_; }
  static void set_edges(Node& n, std::span<Edge> e) { n.edges_ = e; }
  static std::span<OutputMeta> outputs(Node& n) { return n.outputs_; }
  static NodeHooks*& hooks(Node& n) { return n.hooks_; }
  static std::string*& trace(Node& n) { return n.trace_; }
  static AtomicCounter& refs(Node& n) { return n.refs_; }
  static uint64_t sequence(const Node& n) { return n.sequence_; }
};

/// Anomaly mode, and the description of the forward call that is running (ops and modules add to it).
bool anomaly_enabled();
std::string forward_trace(const std::string& op);

}  // namespace fulmen::autograd
