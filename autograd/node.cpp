#include <fulmen/autograd/anomaly.h>
#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/meta.h>

namespace fulmen::autograd {

namespace {

uint64_t next_sequence() {
  static uint64_t counter = 0;  // 0 itself belongs to accumulators
  return __atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED);
}

// Nodes whose last reference went while another one was being destroyed: a list through the nodes themselves. It has no
// destructor, so it outlives static tensors.
struct Dying {
  Node* first;
  bool draining;
};
thread_local constinit Dying dying{nullptr, false};

}  // namespace

Node::Node() : sequence_(next_sequence()) {
  if (anomaly_enabled()) [[unlikely]]
    record_trace(*this);
}

void Node::renew() { sequence_ = next_sequence(); }

Node::~Node() {
  if (hooks_) {
    for (auto& r : hooks_->retained) r.tensor->meta->retained_by = nullptr;
    delete hooks_;
  }
  delete trace_;
}

// A graph may be a chain of millions of nodes, each owning the next: destroying one must not recurse into its inputs.
void release_node(Node* node) noexcept {
  if (!node->refs_.decrement()) return;
  if (dying.draining) {
    // A dying node needs its number no more; the place links it to the next one.
    node->sequence_ = reinterpret_cast<uintptr_t>(std::exchange(dying.first, node));
    return;
  }
  dying.draining = true;
  delete node;
  while (Node* next = dying.first) {
    dying.first = reinterpret_cast<Node*>(static_cast<uintptr_t>(next->sequence_));
    delete next;
  }
  dying.draining = false;
}

variable_list Node::operator()(variable_list gy) {
  gy.resize(std::max<size_t>(gy.size(), outputs_.size()));
  variable_list gx(edges_.size());
  apply(gy, gx);
  return gx;
}

}  // namespace fulmen::autograd
