#pragma once
#include <fulmen/tensor/tensor.h>

#include <span>

namespace fulmen::autograd {

using Variable = Tensor;
using variable_list = std::vector<Tensor>;
class Node;

/// Shared handle on a graph node, used like std::shared_ptr<Node>.
class NodePtr {
 public:
  NodePtr() = default;
  NodePtr(std::nullptr_t) {}
  /// Shares `node`.
  explicit NodePtr(Node* node);
  static NodePtr adopt(Node* node) {
    NodePtr p;
    p.node_ = node;
    return p;
  }
  NodePtr(const NodePtr& other) : NodePtr(other.node_) {}
  NodePtr(NodePtr&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  NodePtr& operator=(NodePtr other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~NodePtr() {
    if (node_) release_node(node_);
  }
  Node* get() const { return node_; }
  Node* operator->() const { return node_; }
  Node& operator*() const { return *node_; }
  explicit operator bool() const { return node_ != nullptr; }
  Node* release() { return std::exchange(node_, nullptr); }
  friend bool operator==(const NodePtr& a, const NodePtr& b) { return a.node_ == b.node_; }
  friend bool operator==(const NodePtr& a, std::nullptr_t) { return !a.node_; }

 private:
  Node* node_ = nullptr;
};

/// Where a gradient goes: into input `input_nr` of `function`. Without a function nobody wants it.
struct Edge {
  NodePtr function;
  uint32_t input_nr = 0;
  bool is_valid() const { return function.get() != nullptr; }
};

/// What the engine knows about an output of a recorded operation, to check the gradient that comes back for it.
struct OutputMeta {
  Shape sizes;
  ScalarType dtype = ScalarType::Undefined;
  Device device{DeviceType::CPU};
};

using TensorSpan = std::span<Tensor>;

/// Runs around a node during backward; see Tensor::register_hook and Node::add_post_hook.
struct NodeHooks;

/// A recorded operation: takes the gradients of its outputs, gives the gradients of its inputs.
class Node {
 public:
  Node();
  virtual ~Node();
  Node(const Node&) = delete;

  /// The operation's name as PyTorch prints it: "MulBackward0", "AccumulateGrad".
  virtual std::string name() const = 0;
  /// gy: one gradient per output (undefined where none arrived). gx: to be filled, one per next edge.
  virtual void apply(TensorSpan gy, TensorSpan gx) = 0;
  /// Drops what was kept for backward.
  virtual void release_variables() {}

  /// LibTorch's way to run a node by hand.
  variable_list operator()(variable_list gy);
  std::span<const Edge> next_edges() const { return edges_; }
  const Edge& next_edge(size_t i) const { return edges_[i]; }
  uint32_t num_outputs() const { return static_cast<uint32_t>(edges_.size()); }
  uint32_t num_inputs() const { return static_cast<uint32_t>(outputs_.size()); }
  std::span<const OutputMeta> output_meta() const { return outputs_; }
  uint64_t sequence_nr() const { return sequence_; }
  /// Whether anybody wants gradient `i` (of the next edges) in the backward pass that is running.
  bool needs(size_t i) const;
  /// Backward passes run the newest node first, so a node must be newer than those that its gradients go to. One of
  /// them can have been made after it (the history of a view whose base was written to); then this node renews itself.
  /// To be called when the edges are known.
  void stay_newer_than_inputs() {
    for (const Edge& edge : edges_) {
      if (edge.function && edge.function->sequence_ > sequence_) [[unlikely]]
        renew();
    }
  }

 protected:
  friend class NodePtr;
  friend class Engine;
  friend void release_node(Node*) noexcept;
  friend struct NodeAccess;
  void renew();
  std::span<Edge> edges_;          ///< memory belongs to the derived class
  std::span<OutputMeta> outputs_;  ///< likewise
  uint64_t sequence_;              ///< grows with creation; 0 for gradient accumulators, which run last
  NodeHooks* hooks_ = nullptr;
  std::string* trace_ = nullptr;  ///< anomaly mode: where in the forward pass this node was made
  AtomicCounter refs_{1};
};

inline NodePtr::NodePtr(Node* node) : node_(node) {
  if (node) node->refs_.increment();
}

}  // namespace fulmen::autograd
