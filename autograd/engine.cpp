#include <fulmen/autograd/accumulate.h>
#include <fulmen/autograd/anomaly.h>
#include <fulmen/autograd/autocast.h>
#include <fulmen/autograd/engine.h>
#include <fulmen/autograd/engine_memory.h>
#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/meta.h>
#include <fulmen/tensor/device_memory.h>

#include <algorithm>
#include <exception>
#include <thread>
#include <unordered_map>
#include <unordered_set>

namespace fulmen::autograd {

namespace {

/// A gradient that the caller asked for: what arrives at input `input_nr` of a node.
struct Capture {
  uint32_t input_nr;
  size_t index;
};

/// Gradients that wait for a node to run: `count` entries of the task's buffer from `start`.
struct Waiting {
  NodePtr node;
  size_t start;
};

}  // namespace

/// One backward pass.
struct GraphTask {
  Engine::Options options;
  std::vector<Tensor> buffer;
  std::vector<Waiting> queue;  // a heap, newest node on top
  StartMap start;              // where a waiting node's gradients lie in the buffer
  bool filtered = false;
  std::unordered_set<const Node*> needed;  // when filtered: nodes from which a wanted tensor can be reached
  std::unordered_map<const Node*, std::vector<Capture>> captures;
  variable_list results;
  Tensor one;  // what the pass started from, if that is a 1 of its own
  int64_t one_version = 0;

  GraphTask();
  ~GraphTask();
  void send(const Edge& edge, Tensor gradient, const Node* from, size_t from_output);
  void run();
  void run_node(Waiting next);
  bool should_run(const Node& node) const;
  void capture(Node& node, TensorSpan gy);
};

namespace {

thread_local GraphTask* current_task = nullptr;
thread_local const Node* current_node = nullptr;
thread_local int depth = 0;
// Nested passes (backward inside a backward rule or hook) each take stack; every so many levels a new thread gives
// more.
constexpr int max_depth = 60;

bool is_accumulator(const Node& node) { return NodeAccess::sequence(node) == 0; }

bool older(const Waiting& a, const Waiting& b) { return NodeAccess::sequence(*a.node) < NodeAccess::sequence(*b.node); }

/// Shape, dtype and device must be those of the forward value; a broadcast shape is summed back.
Tensor validated(Tensor g, const OutputMeta& meta, const Node* from, size_t index) {
  if (!(meta.sizes == g.sizes())) {
    size_t lead = g.sizes().size() - std::min(g.sizes().size(), meta.sizes.size());
    bool fits = g.sizes().size() >= meta.sizes.size();
    for (size_t i = 0; fits && i < meta.sizes.size(); ++i) {
      fits = meta.sizes[i] == g.sizes()[i + lead] || meta.sizes[i] == 1;
    }
    FULMEN_CHECK(fits, "Function ", from ? from->name() : "backward", " returned an invalid gradient at index ", index,
                 " - got ", g.sizes(), " but expected shape compatible with ", IntArrayRef(meta.sizes));
    g = g.sum_to_size(meta.sizes);
  }
  if (g.scalar_type() != meta.dtype) {
    FULMEN_CHECK(g.is_floating_point(), "Function ", from ? from->name() : "backward",
                 " returned an invalid gradient at index ", index, " - expected type ", dtype_name(meta.dtype),
                 " but got ", g);
    g = g.to(meta.dtype);
  }
  // An operand without dimensions may lie on the CPU beside one on a CUDA device.
  if (!(g.device() == meta.device) && g.dim() == 0) g = g.to(meta.device, g.scalar_type());
  FULMEN_CHECK(g.device() == meta.device, "Function ", from ? from->name() : "backward",
               " returned an invalid gradient at index ", index, " - expected device ", meta.device, " but got ",
               g.device());
  return g;
}

void add_into(Tensor& sum, Tensor g) {
  if (!sum.defined()) {
    sum = std::move(g);
  } else if (!GradMode::is_enabled() && sum.use_count() == 1 && sum.storage().use_count() == 1 &&
             sum.impl()->contiguous && !sum.impl()->grad_fn) {
    sum.add_(g);
  } else {
    sum = sum.add(g);
  }
}

}  // namespace

namespace {

/// Memory that the last backward pass of this thread left behind: small passes, one after the other, allocate none.
struct Spare {
  std::vector<Tensor> buffer;
  std::vector<Waiting> queue;
};
thread_local Spare spare;

}  // namespace

GraphTask::GraphTask() {
  buffer.swap(spare.buffer);
  queue.swap(spare.queue);
}

GraphTask::~GraphTask() {
  constexpr size_t keep = 1024;
  buffer.clear();
  queue.clear();
  if (buffer.capacity() <= keep) buffer.swap(spare.buffer);
  if (queue.capacity() <= keep) queue.swap(spare.queue);
}

void GraphTask::send(const Edge& edge, Tensor gradient, const Node* from, size_t from_output) {
  Node* node = edge.function.get();
  if (filtered && !needed.contains(node)) return;
  gradient = validated(std::move(gradient), node->output_meta()[edge.input_nr], from, from_output);
  auto [at, fresh] = start.find_or_add(node, buffer.size());
  if (fresh) {
    buffer.resize(buffer.size() + node->num_inputs());
    queue.push_back({edge.function, at});
    std::push_heap(queue.begin(), queue.end(), older);
  }
  add_into(buffer[at + edge.input_nr], std::move(gradient));
}

namespace {

void run_hooks(Node& node, TensorSpan gy) {
  NodeHooks* hooks = NodeAccess::hooks(node);
  if (!hooks) return;
  for (size_t i = 0; i < hooks->on_input.size(); ++i) {
    std::shared_ptr<HookSlot> slot = hooks->on_input[i];
    Tensor& g = gy[slot->output_nr];
    if (!slot->hook || !g.defined()) continue;
    if (Tensor replaced = (*slot->hook)(g); replaced.defined()) {
      g = validated(std::move(replaced), node.output_meta()[slot->output_nr], &node, slot->output_nr);
    }
  }
  for (const auto& r : hooks->retained) {
    if (gy[r.output_nr].defined()) accumulate_grad_of(r.tensor, gy[r.output_nr]);
  }
}

void check_for_nan(const Node& node, TensorSpan gx) {
  for (size_t i = 0; i < gx.size(); ++i) {
    if (!gx[i].defined()) continue;
    NoGradGuard no_grad;
    if (gx[i].ne(gx[i]).any().item().toBool()) {
      fail(str("Function '", node.name(), "' returned nan values in its ", i, "th output."));
    }
  }
}

}  // namespace

void GraphTask::capture(Node& node, TensorSpan gy) {
  auto found = captures.find(&node);
  if (found == captures.end()) return;
  for (const Capture& c : found->second) {
    Tensor g = gy[c.input_nr];
    // An accumulator runs its leaf's hooks itself, but it does not run when gradients are only collected.
    if (is_accumulator(node) && g.defined() && !options.accumulate) {
      g = static_cast<AccumulateGrad&>(node).hooked(std::move(g));
    }
    results[c.index] = std::move(g);
  }
}

bool GraphTask::should_run(const Node& node) const {
  if (!filtered) return true;
  if (is_accumulator(node)) return options.accumulate;
  auto edges = node.next_edges();
  return std::any_of(edges.begin(), edges.end(), [](const Edge& e) { return Engine::wanted(e); });
}

void GraphTask::run_node(Waiting next) {
  Node& node = *next.node;
  GradientBuffer gy(node.num_inputs());
  for (size_t i = 0; i < gy.size(); ++i) gy[i] = std::move(buffer[next.start + i]);
  run_hooks(node, gy);
  if (filtered) capture(node, gy);
  if (!should_run(node)) return;

  GradientBuffer gx(node.num_outputs());
  const Node* outer = std::exchange(current_node, &node);
  try {
    node.apply(gy, gx);
    if (anomaly_checks_nan()) check_for_nan(node, gx);
  } catch (...) {
    current_node = outer;
    if (anomaly_enabled()) warn_about(node);
    throw;
  }
  current_node = outer;
  if (!options.keep_graph) node.release_variables();
  for (size_t i = 0; i < gx.size(); ++i) {
    const Edge& edge = node.next_edge(i);
    if (edge.is_valid() && gx[i].defined()) send(edge, std::move(gx[i]), &node, i);
  }
}

void GraphTask::run() {
  AutoGradMode mode(options.create_graph);
  GraphTask* outer_task = std::exchange(current_task, this);
  const Node* outer_node = current_node;
  struct Restore {
    GraphTask* task;
    const Node* node;
    ~Restore() {
      current_task = task;
      current_node = node;
      --depth;
    }
  } restore{outer_task, outer_node};
  ++depth;
  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end(), older);
    Waiting next = std::move(queue.back());
    queue.pop_back();
    run_node(std::move(next));
  }
}

namespace {

/// Every node that can be reached from the roots, older ones first.
std::vector<Node*> reachable(std::span<const Edge> roots) {
  std::vector<Node*> all, stack;
  std::unordered_set<Node*> seen;
  auto visit = [&](const Edge& e) {
    if (e.is_valid() && seen.insert(e.function.get()).second) {
      all.push_back(e.function.get());
      stack.push_back(e.function.get());
    }
  };
  for (const Edge& e : roots) visit(e);
  while (!stack.empty()) {
    Node* node = stack.back();
    stack.pop_back();
    for (const Edge& e : node->next_edges()) visit(e);
  }
  std::sort(all.begin(), all.end(),
            [](Node* a, Node* b) { return NodeAccess::sequence(*a) < NodeAccess::sequence(*b); });
  return all;
}

void restrict_to(GraphTask& task, std::span<const Edge> roots, std::span<const Tensor> inputs) {
  task.filtered = true;
  task.results.resize(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    FULMEN_CHECK(inputs[i].defined() && inputs[i].requires_grad(),
                 "One of the differentiated Tensors does not require grad");
    Edge edge = gradient_edge(inputs[i]);
    task.captures[edge.function.get()].push_back({edge.input_nr, i});
    task.needed.insert(edge.function.get());
  }
  for (Node* node : reachable(roots)) {
    for (const Edge& e : node->next_edges()) {
      if (e.is_valid() && task.needed.contains(e.function.get())) {
        task.needed.insert(node);
        break;
      }
    }
  }
}

}  // namespace

variable_list Engine::run(std::span<const Edge> roots, TensorSpan gradients, std::span<const Tensor> inputs,
                          Options options) {
  const autocast::Off off;  // rules compute in the types that their forward chose
  GraphTask task;
  task.options = options;
  if (options.starts_with_one) {
    task.one = gradients[0];
    task.one_version = task.one._version();
  }
  if (!inputs.empty()) restrict_to(task, roots, inputs);
  for (size_t i = 0; i < roots.size(); ++i) {
    if (roots[i].is_valid()) task.send(roots[i], std::move(gradients[i]), nullptr, i);
  }
  if (depth > 0 && depth % max_depth == 0) {
    std::exception_ptr error;
    std::thread deeper([&, modes_here = modes, level = depth, place = cuda::ThreadPlace()] {
      modes = modes_here;
      depth = level;
      try {
        place.take();
        task.run();
      } catch (...) {
        error = std::current_exception();
      }
    });
    deeper.join();
    if (error) std::rethrow_exception(error);
  } else {
    task.run();
  }
  return std::move(task.results);
}

const Node* Engine::running_node() { return current_node; }

bool Engine::is_one_and_last(const Tensor& gy) {
  const GraphTask* task = current_task;
  return task && !task->options.keep_graph && !task->options.create_graph && task->one.defined() &&
         gy.impl() == task->one.impl() && gy._version() == task->one_version;
}

bool Engine::wanted(const Edge& edge) {
  if (!edge.is_valid()) return false;
  return !current_task || !current_task->filtered || current_task->needed.contains(edge.function.get());
}

bool Node::needs(size_t i) const { return Engine::wanted(edges_[i]); }

}  // namespace fulmen::autograd
