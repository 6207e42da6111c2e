#include <fulmen/autograd/anomaly.h>
#include <fulmen/autograd/engine.h>
#include <fulmen/autograd/meta.h>
#include <fulmen/tensor/warning.h>

namespace fulmen::autograd {

namespace {
bool enabled = false, check_nan = true;
thread_local std::vector<std::string> calls;
}  // namespace

DetectAnomalyGuard::DetectAnomalyGuard(bool check) : before_enabled_(enabled), before_check_nan_(check_nan) {
  enabled = true;
  check_nan = check;
}
DetectAnomalyGuard::~DetectAnomalyGuard() {
  enabled = before_enabled_;
  check_nan = before_check_nan_;
}
bool anomaly_enabled() { return enabled; }
bool anomaly_checks_nan() { return enabled && check_nan; }

CallScope::CallScope(std::string name) { calls.push_back(std::move(name)); }
CallScope::~CallScope() { calls.pop_back(); }
std::string CallScope::path() {
  std::string out;
  for (const std::string& call : calls) out += (out.empty() ? "" : " > ") + call;
  return out;
}

void record_trace(Node& node) {
  std::string path = CallScope::path();
  std::string text = path.empty() ? "the operation itself (no module or step was running)" : path;
  if (const Node* parent = Engine::running_node()) {
    text += "\n\nNo forward call: the node was made while computing the gradient of " + parent->name() +
            ". Traceback of forward call that induced the previous calculation.\n  ";
    const std::string* above = NodeAccess::trace(const_cast<Node&>(*parent));
    text += above ? *above : "unknown: " + parent->name() + " was made while anomaly detection was off";
  }
  NodeAccess::trace(node) = new std::string(std::move(text));
}

void warn_about(const Node& node) {
  const std::string* trace = NodeAccess::trace(const_cast<Node&>(node));
  if (!trace) {
    warn("Error detected in " + node.name() +
         ". No forward pass information available. Enable detect anomaly mode during forward pass for more "
         "information.");
    return;
  }
  // One warning per level: first the failing node's own call, then the calls that led to it.
  size_t start = 0;
  std::string head = "Error detected in " + node.name() + ". Traceback of forward call that caused the error:\n  ";
  while (start != std::string::npos) {
    size_t split = trace->find("\n\nNo forward call", start);
    std::string level = trace->substr(start, split == std::string::npos ? split : split - start);
    warn(start == 0 ? head + level : level);
    start = split == std::string::npos ? split : split + 2;
  }
}

}  // namespace fulmen::autograd
