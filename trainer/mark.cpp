#include <fulmen/autograd/grad_mode.h>
#include <fulmen/tensor/error.h>
#include <fulmen/trainer/run.h>

// Checkpoints that are written before a batch, or the accumulation window that it belongs to, is over.
namespace fulmen::trainer {
namespace {

constexpr char gradient_prefix[] = "grad.";

/// Copies those that have changed since the last copy.
void copy_buffers(const OrderedDict<std::string, Tensor>& buffers, Mark& mark) {
  mark.buffers.resize(buffers.size());
  mark.versions.resize(buffers.size(), -1);
  for (size_t i = 0; i < buffers.size(); ++i) {
    const Tensor& buffer = buffers[i].value();
    if (mark.versions[i] == buffer._version()) continue;
    mark.buffers[i] = buffer.detach().clone();
    mark.versions[i] = buffer._version();
  }
}

}  // namespace

void Run::mark_batch(std::vector<int64_t> sampler) {
  Mark& mark = batch_mark;
  mark.progress = progress;
  mark.random = default_generator()->state();
  if (device.is_cuda()) mark.cuda_random = default_generator(device)->state();
  mark.position = train_loader ? train_loader->position() : 0;
  mark.sampler = std::move(sampler);
  metrics.mark(mark.metrics);
  copy_buffers(buffers, mark);
  if (accumulate_grad_batches > 1 && progress.batches % accumulate_grad_batches == 0) {
    window_mark = mark;
  }
  unfinished = Unfinished::Batch;
}

bool Run::window_open(const Progress& at) const {
  return at.window_filled && !at.last_batch && at.batches % at.window != 0 && !options.lightning_compatible;
}

/// Null: the state is whole as it is.
const Mark* Run::mark_to_go_back_to() const {
  const bool stepped = !module->automatic_optimization && stepped_in_batch;
  if (unfinished == Unfinished::Nothing || stepped || options.lightning_compatible) return nullptr;
  const bool first_of_window = batch_mark.progress.batches % accumulate_grad_batches == 0;
  return unfinished == Unfinished::Window && !first_of_window ? &window_mark : &batch_mark;
}

void Run::restore_buffers() {
  const NoGradGuard no_grad;
  for (size_t i = 0; i < std::min(buffers.size(), batch_mark.buffers.size()); ++i) {
    Tensor& buffer = buffers[i].value();
    if (buffer._version() != batch_mark.versions[i]) buffer.copy_(batch_mark.buffers[i]);
  }
}

Progress Run::progress_to_save(const Mark* mark) const {
  Progress at = mark ? mark->progress : progress;
  at.window = accumulate_grad_batches;
  if (mark || unfinished == Unfinished::Nothing || options.lightning_compatible) return at;
  ++at.batches;  // the module has stepped an optimizer itself: the batch counts as trained
  ++at.total_batches;
  at.last_batch = is_last_batch;
  at.point = Progress::Point::BatchDone;
  return at;
}

std::vector<int64_t> Run::sampler_state(const Mark* mark) const {
  if (!mark) return before_ahead.empty() ? train_loader->state() : before_ahead;
  return mark->sampler.empty() ? train_loader->state_at(mark->position) : mark->sampler;
}

/// Gradients that the step after the checkpoint needs. A module that optimizes manually may go on with any of its own.
void Run::save_gradients(const Mark* mark, const Progress& at, Checkpoint& out) const {
  const bool manual = !module->automatic_optimization && !options.lightning_compatible;
  if (mark && mark == &window_mark) {
    for (const auto& item : mark->gradients) out.others.insert(gradient_prefix + item.key(), item.value());
  } else if (manual || window_open(at)) {
    for (const auto& item : module->named_parameters()) {
      const Tensor& gradient = item.value().grad();
      if (gradient.defined()) out.others.insert(gradient_prefix + item.key(), gradient);
    }
  }
}

void Run::restore_gradients(const Checkpoint& checkpoint) {
  window_mark.gradients.clear();
  for (auto& item : module->named_parameters()) {
    const Tensor* saved = checkpoint.others.find(gradient_prefix + item.key());
    if (!saved || options.lightning_compatible) continue;
    Tensor& parameter = item.value();
    if (saved->sizes() != parameter.sizes() || saved->scalar_type() != parameter.scalar_type()) {
      throw Error("E013",
                  str("checkpoint: the gradient of ", item.key(), " is ", *saved, ", the parameter ", parameter),
                  "it was saved by another model");
    }
    parameter.mutable_grad() = saved->to(parameter.device()).clone();
    window_mark.gradients.insert(item.key(), *saved);
  }
}

}  // namespace fulmen::trainer
