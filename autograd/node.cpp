#include <fulmen/autograd/anomaly.h>
#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/meta.h>

namespace fulmen::autograd {

namespace {

uint64_t next_sequence() {
  static uint64_t counter = 0;  // 0 itself belongs to accumulators
  return __atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED);
}

// Nodes whose last reference went while another one was being destroyed. Leaked on purpose: it must outlive static
// tensors.
struct Pending {
  std::vector<Node*> nodes;
  bool draining = false;
};
thread_local constinit Pending* pending = nullptr;

}  // namespace

Node::Node() : sequence_(next_sequence()) {
  if (anomaly_enabled()) [[unlikely]]
    record_trace(*this);
}

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
  if (!pending) [[unlikely]]
    pending = new Pending;
  Pending& list = *pending;
  if (list.draining) {
    list.nodes.push_back(node);
    return;
  }
  list.draining = true;
  delete node;
  while (!list.nodes.empty()) {
    Node* next = list.nodes.back();
    list.nodes.pop_back();
    delete next;
  }
  list.draining = false;
}

variable_list Node::operator()(variable_list gy) {
  gy.resize(std::max<size_t>(gy.size(), outputs_.size()));
  variable_list gx(edges_.size());
  apply(gy, gx);
  return gx;
}

}  // namespace fulmen::autograd
