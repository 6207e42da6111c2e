#include <fulmen/autograd/op.h>
#include <fulmen/autograd/ops/optim.h>
#include <fulmen/kernels/optim.h>

namespace fulmen {
namespace {

void check_entry(const char* op, const Tensor& param, const Tensor& other, const char* what) {
  FULMEN_CHECK(
      other.sizes() == param.sizes() && other.scalar_type() == param.scalar_type() && other.device() == param.device(),
      op, ": parameter ", param, " and its ", what, " ", other, " differ in shape, dtype or device");
}

/// The entries of one device as a kernel takes them. Parameters that are not contiguous are worked on in a copy.
class Slices {
 public:
  Slices(const char* op, std::span<const OptimEntry> entries) {
    slices_.reserve(entries.size());
    for (const OptimEntry& e : entries) {
      FULMEN_CHECK(e.param->is_floating_point(), op, ": parameters must be floating-point; got ", *e.param);
      check_entry(op, *e.param, *e.grad, "gradient");
      OptimSlice slice{};
      slice.param = writable(op, *e.param, *e.param, "parameter");
      slice.grad = e.grad->is_contiguous() ? e.grad->data_ptr() : keep(e.grad->contiguous());
      slice.state1 = e.state1 ? writable(op, *e.param, *e.state1, "state") : nullptr;
      slice.state2 = e.state2 ? writable(op, *e.param, *e.state2, "state") : nullptr;
      slice.state3 = e.state3 ? writable(op, *e.param, *e.state3, "state") : nullptr;
      slice.numel = e.param->numel();
      slice.dtype = e.param->scalar_type();
      slice.first = e.first;
      slice.bias_correction1 = e.bias_correction1;
      slice.bias_correction2 = e.bias_correction2;
      slices_.push_back(slice);
    }
  }
  const OptimSlice* data() const { return slices_.data(); }
  int64_t count() const { return static_cast<int64_t>(slices_.size()); }
  /// Copies back what was worked on in a copy.
  void finish() {
    for (auto& [target, copy] : copies_) target->copy_(copy);
  }

 private:
  void* keep(Tensor tensor) {
    kept_.push_back(std::move(tensor));
    return kept_.back().data_ptr();
  }
  void* writable(const char* op, const Tensor& param, const Tensor& target, const char* what) {
    check_entry(op, param, target, what);
    if (target.is_contiguous()) {
      target.storage()->version.increment();
      return target.data_ptr();
    }
    copies_.emplace_back(&target, target.contiguous());
    return copies_.back().second.data_ptr();
  }
  std::vector<OptimSlice> slices_;
  std::vector<Tensor> kept_;
  std::vector<std::pair<const Tensor*, Tensor>> copies_;
};

template <class Step, class Kernel>
void run_step(const char* op, const Kernel& kernel, std::span<const OptimEntry> entries, const Step& step) {
  autograd::Forward f(op);  // also switches recording off
  while (!entries.empty()) {
    const Device device = entries[0].param->device();
    size_t same = 1;
    while (same < entries.size() && entries[same].param->device() == device) ++same;
    Slices slices(op, entries.first(same));
    kernel(f.launch(device), slices.data(), slices.count(), step);
    slices.finish();
    f.change_device();
    entries = entries.subspan(same);
  }
}

}  // namespace

void sgd_step_(std::span<const OptimEntry> entries, const SgdStep& step) {
  run_step("sgd_step_", kernel::sgd_step, entries, step);
}
void adam_step_(std::span<const OptimEntry> entries, const AdamStep& step) {
  run_step("adam_step_", kernel::adam_step, entries, step);
}

}  // namespace fulmen
