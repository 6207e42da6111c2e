#pragma once
#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/node.h>
#include <fulmen/kernels/launch.h>  // kernel.h depends on the build: with it, no two builds would share an object
#include <fulmen/tensor/pool.h>

#include <array>
#include <concepts>

// The op machine. An op is a plain struct with `name`, `forward` and `backward`:
//
//   struct Exp {
//     static constexpr auto name = "exp";
//     Output forward(Forward& f, const Input& x) {
//       Output y = f.empty_like(x);
//       kernel::unary(f.launch(y), UnaryOp::Exp, f.out(y), f.in(x));
//       f.save(y);
//       return y;
//     }
//     // gx = gy * y
//     Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy * s[0]}; }
//   };
//   Tensor exp(const Tensor& x) { return apply(Exp{}, x); }
//
// Four mistakes do not compile: no rule (and no `differentiable = false`), a rule with the wrong number of gradients, a
// rule that calls a kernel (only Forward can make a Launch), and saving a tensor that is neither input nor output.
namespace fulmen::autograd {

/// One gradient per input; leave an entry undefined where there is none. A gradient may still have the broadcast shape
/// of the output: the engine sums it to the input's shape.
template <size_t N>
using Grads = std::array<Tensor, N>;
/// For ops with a list of inputs.
using GradList = std::vector<Tensor>;
using ConstTensorSpan = std::span<const Tensor>;

/// A tensor handed to forward(); borrowed from the caller. Only these and Outputs can be saved.
class Input : public Tensor {
 public:
  explicit Input(const Tensor& t) { impl_ = t.impl(); }
  Input(const Input&) = delete;
  ~Input() { impl_ = nullptr; }
};

/// A tensor made by forward() to be returned.
class Output : public Tensor {
 public:
  Output() = default;
  Output(Output&&) = default;
  Output& operator=(Output&& other) {
    static_cast<Tensor&>(*this) = std::move(static_cast<Tensor&>(other));
    return *this;
  }

 private:
  friend class Forward;
  explicit Output(Tensor t) : Tensor(std::move(t)) {}
};

template <class T>
concept Savable = std::derived_from<T, Input> || std::derived_from<T, Output>;

/// Exists only while forward() runs: makes outputs, launches kernels, keeps tensors for the derivative. Recording is
/// off meanwhile, so forward() may call other ops for its own purposes.
class Forward {
 public:
  static constexpr size_t inline_kept = 4;
  /// `op` is its name in messages; `target` the tensor that an in-place op writes to.
  explicit Forward(const char* op, const Tensor* target = nullptr)
      : op_(op), target_(target), inplace_(target ? target->impl() : nullptr), grad_before_(modes.grad) {
    modes.grad = false;
  }
  ~Forward() { modes.grad = grad_before_; }
  Forward(const Forward&) = delete;

  /// A new row-major tensor (or the in-place target if it fits).
  Output empty(IntArrayRef sizes, ScalarType dtype, Device device);
  Output empty_like(const Tensor& x) { return empty(x.sizes(), x.scalar_type(), x.device()); }
  Output empty_like(const Tensor& x, ScalarType dtype) { return empty(x.sizes(), dtype, x.device()); }
  /// A second handle on x's memory; what view ops return. `offset` counts from the start of the storage.
  Output view(const Tensor& x, IntArrayRef sizes, IntArrayRef strides, int64_t offset);

  /// The device of `t` and its current stream. All that is launched, written and read between two calls of
  /// change_device() lies on one device; another one is an error.
  Launch launch(const Tensor& t) { return launch(t.device()); }
  Launch launch(Device device);
  View out(const Tensor& y);
  ConstView in(const Tensor& x);
  /// For the few ops that work on several devices, one after the other.
  void change_device() { device_known_ = false; }

  /// Keeps inputs or outputs for backward, which finds them as s[0], s[1], ... in this order.
  template <class... T>
  void save(const T&... tensors) {
    static_assert(
        (Savable<T> && ...),
        "only inputs and outputs of the op can be saved: return this tensor as an extra output, or the second "
        "derivative would be wrong");
    (keep(tensors), ...);
  }
  /// Marks an output as having no derivative (indices, counts).
  void mark_non_differentiable(const Output& y) { non_differentiable_ = y.impl(); }

 private:
  friend class RecordedOp;
  friend struct Machine;
  void keep(const Tensor& t) {
    if (kept_count_ < inline_kept) {
      kept_[kept_count_++] = t;
    } else {
      more_kept_.push_back(t);
    }
  }

  void stay_on(Device device) {
    if (!device_known_) {
      device_ = device;
      device_known_ = true;
    } else if (!(device == device_)) [[unlikely]] {
      two_devices(device);
    }
  }
  [[noreturn]] void two_devices(Device other) const;

  const char* op_;
  Device device_{DeviceType::CPU};
  bool device_known_ = false;
  const Tensor* target_;  ///< until the first output takes it
  const TensorImpl* inplace_;
  bool grad_before_;
  uint32_t kept_count_ = 0;
  TensorImpl* non_differentiable_ = nullptr;
  Tensor kept_[inline_kept];
  std::vector<Tensor> more_kept_;
};

/// A tensor kept for backward. Inputs are kept as they are; an output without its history, which the node restores,
/// because a node that owned its own output would never be freed.
struct SavedTensor {
  Tensor tensor;
  uint32_t version = 0;
  int32_t output_nr = -1;  ///< -1 for an input
};

/// The tensor with its history, for `node`'s rule. Throws if it was changed in place since it was saved.
Tensor unpack(const SavedTensor& saved, const Node& node);

class RecordedOp;
/// What forward() saved, as backward() sees it.
class Saved {
 public:
  explicit Saved(const RecordedOp& node) : node_(node) {}
  /// The i-th saved tensor. Throws if it was changed in place or if the graph was freed already.
  Tensor operator[](size_t i) const;
  /// Whether somebody wants the gradient of input i; skip the work otherwise.
  bool needs(size_t input) const;

 private:
  const RecordedOp& node_;
};

/// The part of a recorded op that does not depend on the op.
class RecordedOp : public Node {
 public:
  ~RecordedOp() override;
  std::string name() const override;
  void release_variables() final;

 protected:
  friend class Saved;
  friend struct Machine;
  explicit RecordedOp(const char* op_name) : op_name_(op_name) {}
  const char* op_name_;
  uint32_t saved_count_ = 0;
  bool released_ = false;
  SavedTensor saved_[Forward::inline_kept];
  std::vector<SavedTensor> more_saved_;
};

template <class Op>
inline constexpr bool is_differentiable = true;
template <class Op>
requires requires { Op::differentiable; }
inline constexpr bool is_differentiable<Op> = Op::differentiable;

template <class Op>
concept HasSingleRule = requires(const Op& op, const Saved& s, const Tensor& gy) {
  op.backward(s, gy);
};
template <class Op>
concept HasMultiRule = requires(const Op& op, const Saved& s, ConstTensorSpan gy) {
  op.backward(s, gy);
};
template <class Op, size_t N>
concept RuleFits = requires(const Op& op, const Saved& s, const Tensor& gy) {
  { op.backward(s, gy) } -> std::same_as<Grads<N>>;
}
|| requires(const Op& op, const Saved& s, ConstTensorSpan gy) {
  { op.backward(s, gy) } -> std::same_as<Grads<N>>;
};

/// An op as a graph node: `inputs` and `outputs` are their numbers; 0 inputs means a list.
template <class Op, size_t inputs, size_t outputs>
class NodeOf final : public RecordedOp, public Pooled {
 public:
  NodeOf(Op op, size_t count) : RecordedOp(Op::name), op_(std::move(op)) {
    if constexpr (inputs == 0) edge_storage_.resize(count);
    edges_ = edge_storage_;
    outputs_ = output_storage_;
  }
  using Pooled::operator new;
  using Pooled::operator delete;

  void apply(TensorSpan gy, TensorSpan gx) override {
    Saved saved(*this);
    auto grads = [&] {
      if constexpr (HasSingleRule<Op>) {
        return op_.backward(saved, gy[0]);
      } else {
        return op_.backward(saved, ConstTensorSpan(gy));
      }
    }();
    for (size_t i = 0; i < grads.size() && i < gx.size(); ++i) gx[i] = std::move(grads[i]);
  }

 private:
  Op op_;
  std::conditional_t<inputs == 0, std::vector<Edge>, std::array<Edge, inputs>> edge_storage_;
  std::array<OutputMeta, outputs> output_storage_;
};

/// The compiled-once part of apply().
struct Machine {
  static bool wants_grad(const Tensor& t) { return t.defined() && t.requires_grad(); }
  static bool wants_grad(std::span<const Tensor> list);
  /// Fills edges, saved tensors and output metadata, and makes `node` (whose reference it takes) the history of the
  /// outputs.
  static void record(RecordedOp* node, Forward& f, std::span<const Tensor* const> in, std::span<Tensor* const> out);
  static void mark_inference(Tensor& out);
  /// Makes `out` a view of `x`.
  static void mark_view(const Tensor& x, Tensor& out, bool recorded);
  /// In-place ops: what must hold before, and what follows after.
  static void check_inplace(const Tensor& self, const char* op, bool recording);
  /// A copy of self's values with self's history, for a derivative that needs them.
  static Tensor values_before(const Tensor& self);
  static bool overlaps(const Tensor& self, const Tensor& other);
  static void finish_inplace(const Tensor& self, Tensor result, bool recorded);
};

template <class Op, size_t N>
constexpr void check_rule() {
  static_assert(Op::name[0] != '\0', "an op has a name");
  if constexpr (is_differentiable<Op>) {
    static_assert(
        HasSingleRule<Op> || HasMultiRule<Op>,
        "this op has no derivative rule: give it `Grads<number of inputs> backward(const Saved&, const Tensor& "
        "gy) const`, or say `static constexpr bool differentiable = false`");
    if constexpr ((HasSingleRule<Op> || HasMultiRule<Op>)) {
      static_assert(RuleFits<Op, N>, "the derivative rule must return Grads<number of inputs>: one gradient per input");
    }
  }
}

template <class T>
inline constexpr size_t output_count = 1;
template <size_t M>
inline constexpr size_t output_count<std::array<Output, M>> = M;

/// Runs an op and records it when a derivative will be wanted. Returns a Tensor, or an array of them if forward() does.
template <class Op, std::same_as<Tensor>... In>
auto apply(Op&& op, const In&... in) {
  static_assert(!std::is_reference_v<Op>, "apply() takes over the op: pass it as a temporary");
  constexpr size_t N = sizeof...(In);
  check_rule<Op, N>();
  bool recording = false;
  if constexpr (is_differentiable<Op> && N > 0) recording = modes.grad && (Machine::wants_grad(in) || ...);
  Forward f(Op::name);
  auto out = op.forward(f, Input(in)...);
  constexpr size_t M = output_count<decltype(out)>;
  auto each = [&]<size_t... I>(std::index_sequence<I...>) {
    if constexpr (M == 1) {
      return std::array<Tensor*, 1>{&out};
    } else {
      return std::array<Tensor*, M>{&out[I]...};
    }
  }
  (std::make_index_sequence<M>());
  if (modes.inference) [[unlikely]] {
    for (Tensor* t : each) Machine::mark_inference(*t);
  }
  if constexpr (is_differentiable<Op> && N > 0) {
    if (recording) {
      const Tensor* inputs[] = {&in...};
      Machine::record(new NodeOf<Op, N, M>(std::move(op), N), f, inputs, each);
    }
  }
  if constexpr (M == 1) {
    return static_cast<Tensor>(std::move(out));
  } else {
    std::array<Tensor, M> results;
    for (size_t i = 0; i < M; ++i) results[i] = std::move(out[i]);
    return results;
  }
}

/// An op over a list: forward(Forward&, TensorList) and GradList backward(const Saved&, const Tensor& gy).
template <class Op>
Tensor apply_list(Op op, TensorList in) {
  bool recording = modes.grad && Machine::wants_grad({in.data(), in.size()});
  Forward f(Op::name);
  Output out = op.forward(f, in);
  if (modes.inference) [[unlikely]]
    Machine::mark_inference(out);
  if (recording) {
    std::vector<const Tensor*> inputs;
    for (const Tensor& t : in) inputs.push_back(&t);
    Tensor* each[] = {&out};
    Machine::record(new NodeOf<Op, 0, 1>(std::move(op), in.size()), f, inputs, each);
  }
  return static_cast<Tensor>(std::move(out));
}

/// An op that returns a second handle on x's memory (made by Forward::view); writes through it reach x.
template <class Op>
Tensor apply_view(Op op, const Tensor& x) {
  check_rule<Op, 1>();
  bool recording = modes.grad && Machine::wants_grad(x);
  Tensor out;
  {
    Forward f(Op::name);
    Output made = op.forward(f, Input(x));
    if (recording) {
      const Tensor* inputs[] = {&x};
      Tensor* each[] = {&made};
      Machine::record(new NodeOf<Op, 1, 1>(std::move(op), 1), f, inputs, each);
    }
    out = std::move(made);
  }
  Machine::mark_view(x, out, recording);
  return out;
}

/// Runs an op so that its result replaces the values of `self`, the first input.
template <class Op, std::same_as<Tensor>... In>
Tensor& apply_inplace(Op op, const Tensor& self, const In&... others) {
  constexpr size_t N = sizeof...(In) + 1;
  check_rule<Op, N>();
  bool recording = false;
  if constexpr (is_differentiable<Op>) {
    recording = modes.grad && (Machine::wants_grad(self) || ... || Machine::wants_grad(others));
  }
  Machine::check_inplace(self, Op::name, recording);
  bool overlap = (false || ... || Machine::overlaps(self, others));
  // A rule that looks at the old values needs a copy of them. An op that keeps none says `keeps_no_input`.
  Tensor before = self;
  if constexpr (!requires { Op::keeps_no_input; }) {
    if (recording) before = Machine::values_before(self);
  }
  Tensor result;
  {
    Forward f(Op::name, overlap ? nullptr : &self);
    Output out = op.forward(f, Input(before), Input(others)...);
    if constexpr (is_differentiable<Op>) {
      if (recording) {
        const Tensor* inputs[] = {&before, &others...};
        Tensor* each[] = {&out};
        Machine::record(new NodeOf<Op, N, 1>(std::move(op), N), f, inputs, each);
      }
    }
    result = std::move(out);
  }
  Machine::finish_inplace(self, std::move(result), recording);
  return const_cast<Tensor&>(self);
}

}  // namespace fulmen::autograd
