#include <fulmen/nn/type_name.h>
#include <fulmen/tensor/error.h>
#include <fulmen/tensor/nearest_name.h>
#include <fulmen/trainer/run.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <stdexcept>

// A run's state as a Checkpoint, and back.
namespace fulmen::trainer {
namespace {

using nlohmann::json;
using NamedTensors = OrderedDict<std::string, Tensor>;

/// Numbers of 8 bytes as a tensor of one dimension.
template <class T>
Tensor tensor_of(const std::vector<T>& values, ScalarType dtype) {
  static_assert(sizeof(T) == 8);
  const auto count = static_cast<int64_t>(values.size());
  Tensor tensor = data::empty_rows({count}, dtype);
  if (count > 0) std::memcpy(tensor.data_ptr(), values.data(), values.size() * sizeof(T));
  return tensor;
}

template <class T>
std::vector<T> values_of(const Checkpoint& checkpoint, const std::string& name, ScalarType dtype,
                         const std::string& path) {
  const Tensor* found = checkpoint.others.find(name);
  if (!found) return {};
  if (found->scalar_type() != dtype || found->dim() != 1) {
    throw Error("E015", path + ": __" + name + " has a wrong type or shape", "the file is damaged; use another one");
  }
  const Tensor tensor = found->contiguous();
  std::vector<T> values(static_cast<size_t>(tensor.numel()));
  if (!values.empty()) std::memcpy(values.data(), tensor.data_ptr(), values.size() * sizeof(T));
  return values;
}

/// Runs code that reads JSON from a file; whatever is wrong with it becomes one error that names the file.
template <class F>
void reading(const std::string& path, const char* what, F&& read) {
  try {
    read();
  } catch (const json::exception& problem) {
    throw Error("E015", path + ": " + what + " cannot be read: " + problem.what(),
                "the file is damaged; use another one");
  } catch (const std::logic_error& problem) {  // std::stod
    throw Error("E015", path + ": " + what + " cannot be read: " + problem.what(),
                "the file is damaged; use another one");
  }
}

json progress_to_json(const Progress& p, bool lightning_compatible) {
  const bool cut = p.cut_short && !lightning_compatible;  // Lightning takes up the next epoch
  json j = {{"epoch", cut ? p.epoch - 1 : p.epoch},
            {"point", static_cast<int>(cut ? Progress::Point::BatchClosed : p.point)},
            {"batches", p.batches},
            {"global_step", p.global_step},
            {"stepped", p.stepped},
            {"total_batches", p.total_batches},
            {"last_batch", p.last_batch},
            {"window_filled", p.window_filled},
            {"window", p.window},
            {"validation_batches", p.validation_batches}};
  if (lightning_compatible) j["lightning"] = p.counted.numbers();
  return j;
}

Progress progress_from_json(const json& j, bool lightning_compatible) {
  Progress p;
  p.epoch = j.at("epoch");
  const int point = j.at("point");
  if (point < 0 || point > static_cast<int>(Progress::Point::EpochDone)) throw std::out_of_range("point");
  p.point = static_cast<Progress::Point>(point);
  p.batches = j.at("batches");
  p.global_step = j.at("global_step");
  p.stepped = j.at("stepped");
  p.total_batches = j.at("total_batches");
  p.validation_batches = j.at("validation_batches").get<std::vector<int64_t>>();
  p.last_batch = j.value("last_batch", false);
  p.window_filled = j.value("window_filled", false);
  p.window = j.value("window", int64_t{1});
  for (int64_t count : {p.epoch, p.batches, p.global_step, p.stepped, p.total_batches, p.window - 1}) {
    if (count < 0) throw std::out_of_range("a count is negative");
  }
  if (p.point == Progress::Point::EpochDone) {
    p.point = Progress::Point::EpochStart;
    p.epoch_was_done = true;
  }
  if (lightning_compatible) {
    p.counted.load(j.at("lightning").get<std::vector<int64_t>>());
    p.epoch = p.counted.epochs.current.completed;
  }
  return p;
}

json options_of(optim::Optimizer& optimizer) {
  json groups = json::array();
  for (auto& group : optimizer.param_groups()) {
    json numbers = json::object();
    for (const auto& field : group.options().fields()) numbers[field.name] = field.get();
    groups.push_back(numbers);
  }
  return {{"name", optimizer.name()}, {"groups", groups}};
}

std::string optimizer_prefix(size_t index) { return str("optim.", index, "."); }

void save_optimizers(const Optimizers& optimizers, const NamedTensors& parameters, Checkpoint& out) {
  json options = json::array(), schedulers = json::array();
  for (size_t i = 0; i < optimizers.size(); ++i) {
    for (const auto& item : optimizers[i].named_state(parameters)) {
      out.others.insert(optimizer_prefix(i) + item.key(), item.value());
    }
    options.push_back(options_of(optimizers[i]));
  }
  for (const auto& scheduled : optimizers.schedulers()) {
    schedulers.push_back(json::parse(scheduled.scheduler->state_dict()));
  }
  out.metadata["optimizers"] = options.dump();
  out.metadata["schedulers"] = schedulers.dump();
}

void load_optimizer(optim::Optimizer& optimizer, const json& saved, const NamedTensors& parameters,
                    const Checkpoint& checkpoint, const std::string& prefix, const std::string& path) {
  auto& groups = optimizer.param_groups();
  if (saved.at("name") != optimizer.name() || saved.at("groups").size() != groups.size()) {
    throw Error("E015",
                str(path, " was saved with ", saved.at("name").get<std::string>(), " and ", saved.at("groups").size(),
                    " parameter groups; configure_optimizers gives ", optimizer.name(), " and ", groups.size()),
                "use the optimizer that the file was saved with");
  }
  for (size_t i = 0; i < groups.size(); ++i) {
    const json& group = saved.at("groups")[i];
    for (const auto& field : groups[i].options().fields()) {
      if (const auto found = group.find(field.name); found != group.end()) field.set(found->get<double>());
    }
  }
  NamedTensors state;
  for (const auto& item : checkpoint.others) {
    if (item.key().rfind(prefix, 0) == 0) state.insert(item.key().substr(prefix.size()), item.value());
  }
  optimizer.load_named_state(parameters, state);
}

void load_optimizers(const Optimizers& optimizers, const NamedTensors& parameters, const Checkpoint& checkpoint,
                     const std::string& path) {
  const json saved = json::parse(checkpoint.text("optimizers"));
  const auto check_count = [&](size_t saved_count, size_t count, const char* what) {
    if (saved_count == count) return;
    throw Error("E015", str(path, " was saved with ", saved_count, " ", what, "; configure_optimizers gives ", count),
                "resume with the optimizers and schedulers that the file was saved with");
  };
  check_count(saved.size(), optimizers.size(), "optimizers");
  for (size_t i = 0; i < saved.size(); ++i) {
    load_optimizer(optimizers[i], saved[i], parameters, checkpoint, optimizer_prefix(i), path);
  }
  const json schedulers = json::parse(checkpoint.text("schedulers"));
  check_count(schedulers.size(), optimizers.schedulers().size(), "schedulers");
  for (size_t i = 0; i < schedulers.size(); ++i) {
    optimizers.schedulers()[i].scheduler->load_state_dict(schedulers[i].dump());
  }
}

}  // namespace

Checkpoint Run::state(bool weights_only) {
  FULMEN_CHECK(module, "save_checkpoint: this trainer has not run a module yet");
  const HookSite site = metrics.site;  // a callback saves in the middle of somebody's hook
  Checkpoint out;
  const Mark* mark = mark_to_go_back_to();
  const Progress at = progress_to_save(mark);
  out.weights = module->state_dict();
  for (size_t i = 0; mark && i < mark->buffers.size(); ++i) {
    if (Tensor* saved = out.weights.find(buffers[i].key())) *saved = mark->buffers[i];
  }
  out.metadata["class"] = nn::type_name(typeid(*module));
  out.metadata["hparams"] = module->hparams();
  out.metadata["loops"] = progress_to_json(at, options.lightning_compatible).dump();
  if (data_module && data_module->hparams() != "{}") out.metadata["data_module_hparams"] = data_module->hparams();
  json kinds = json::object();
  for (const auto& [name, transform] : module->transforms()) {
    const data::PreprocessorState state = transform->state();
    kinds[name] = {{"kind", transform->kind()}, {"fitted", transform->fitted()}, {"state", state.json}};
    for (const auto& [part, tensor] : state.tensors) {
      if (tensor.defined()) out.others.insert("transform." + name + "." + part, tensor);
    }
  }
  out.metadata["transforms"] = kinds.dump();

  if (!weights_only) {
    save_optimizers(optimizers, module->named_parameters(), out);
    save_gradients(mark, at, out);
    out.others.insert("rng.cpu", tensor_of(mark ? mark->random : default_generator()->state(), kLong));
    if (device.is_cuda()) {
      out.others.insert("rng.cuda", tensor_of(mark ? mark->cuda_random : default_generator(device)->state(), kLong));
    }
    if (train_loader) out.others.insert("sampler", tensor_of(sampler_state(mark), kLong));
    std::vector<double> numbers;
    const bool in_batch = mark && mark->progress.point != Progress::Point::BatchDone;  // else in validation
    out.metadata["metrics"] = metrics.save(numbers, in_batch ? &mark->metrics : nullptr);
    out.others.insert("metrics", tensor_of(numbers, kDouble));
    json states = json::object();
    for (const auto& callback : callbacks) {
      if (const std::string state = callback->state_dict(); !state.empty()) states[callback->state_key()] = state;
    }
    out.metadata["callbacks"] = states.dump();
    if (const optim::GradScaler* scaler = precision.scaler()) {
      out.metadata["scaler"] =
          json{{"scale", scaler->get_scale()}, {"growth_tracker", scaler->growth_tracker()}}.dump();
    }
  }
  if (data_module) out.metadata["data_module"] = data_module->state_dict();
  if (!weights_only) {
    call_callbacks({"on_save_checkpoint", LogRule::Forbidden}, &Callback::on_save_checkpoint, out);
  }
  module->on_save_checkpoint(out);
  metrics.site = site;
  return out;
}

void Run::restore_module_state(const Checkpoint& checkpoint, const std::string& path) {
  detail::restore_module(*module, checkpoint, path, module->strict_loading);
  if (data_module) data_module->load_state_dict(checkpoint.text("data_module"));
  const std::string& states = checkpoint.text("callbacks");
  if (states.empty()) return;  // it holds weights only
  call_callbacks({"on_load_checkpoint", LogRule::Forbidden}, &Callback::on_load_checkpoint, checkpoint);
  reading(path, "fulmen.callbacks", [&] {
    const json parsed = json::parse(states);
    for (const auto& callback : callbacks) {
      const auto found = parsed.find(callback->state_key());
      if (found != parsed.end()) callback->load_state_dict(found->get<std::string>());
    }
  });
}

void Run::restore_training(const Checkpoint& checkpoint, const std::string& path) {
  const bool compatible = options.lightning_compatible;
  const bool has_validated = progress.counted.has_validated;
  reading(path, "fulmen.loops",
          [&] { progress = progress_from_json(json::parse(checkpoint.text("loops")), compatible); });
  if (compatible) {
    progress.validation_batches.clear();
    progress.counted.has_validated = has_validated;
    progress.counted.restored(options.max_steps != -1);
  }
  if (checkpoint.text("optimizers").empty()) {
    throw Error("E015", path + " holds weights only: there is no optimizer state to go on with",
                "fit from a file that was saved without save_weights_only, or load the weights with "
                "load_from_checkpoint and start a new fit");
  }
  reading(path, "the state of the run", [&] {
    load_optimizers(optimizers, module->named_parameters(), checkpoint, path);
    if (const std::string& scaler = checkpoint.text("scaler"); !scaler.empty() && precision.scaler()) {
      const json saved = json::parse(scaler);
      precision.scaler()->load_state(saved.at("scale"), saved.at("growth_tracker"));
    }
    const int64_t epochs = progress.epoch + (progress.epoch_was_done && !compatible);
    if (max_epochs >= 0 && epochs > max_epochs) {
      throw Error("E016", str(path, " has done ", epochs, " epochs, more than max_epochs = ", max_epochs),
                  "raise max_epochs");
    }
    if (compatible) return;  // Lightning's checkpoints hold no metrics
    metrics.restore(checkpoint.text("metrics"), values_of<double>(checkpoint, "metrics", kDouble, path));
    if (progress.point == Progress::Point::EpochStart) metrics.open(MetricBook::Page::Training, true);
  });
  resumed_random = values_of<uint64_t>(checkpoint, "rng.cpu", kLong, path);
  resumed_cuda_random = values_of<uint64_t>(checkpoint, "rng.cuda", kLong, path);
  resumed_sampler = values_of<int64_t>(checkpoint, "sampler", kLong, path);
}

void Run::restore_position(const std::string& path) {
  if (options.lightning_compatible) return resumed_sampler.clear();
  try {
    if (!resumed_sampler.empty()) train_loader->load_state(resumed_sampler);
  } catch (const Error& problem) {
    throw Error(
        "E016", path + ": " + problem.msg(),
        "resume with the training data and the loader options that the file was saved with, or load the weights "
        "with load_from_checkpoint and start a new fit");
  }
  if (!resumed_random.empty()) default_generator()->set_state(resumed_random);
  if (!resumed_cuda_random.empty() && device.is_cuda()) default_generator(device)->set_state(resumed_cuda_random);
  resumed_cuda_random.clear();
  resumed_sampler.clear();
  resumed_random.clear();
  OrderedDict<std::string, Tensor> gradients = std::move(window_mark.gradients);
  mark_batch(train_loader->source()->samples() ? std::vector<int64_t>() : train_loader->state());
  window_mark = batch_mark;
  window_mark.gradients = std::move(gradients);
  unfinished = Unfinished::Nothing;
}

namespace detail {

void restore_hparams(FieldsRef hparams, const Checkpoint& checkpoint, const HparamOverrides& overrides,
                     const std::string& path, const char* key) {
  const std::string& saved = checkpoint.text(key);
  if (!saved.empty() && saved != "{}") fields_from_json(hparams, saved, path);
  for (const auto& [name, value] : overrides) {
    if (set_field(hparams, name, value)) continue;
    std::vector<std::string> known;
    for (const FieldInfo& info : describe_fields(hparams)) known.push_back(info.name);
    const std::string nearest = nearest_name(name, known);
    throw Error("E014", "unknown hyperparameter " + name + " among the overrides for " + path,
                nearest.empty() ? "it must be named in fields()" : "did you mean " + nearest + "?");
  }
}

void restore_module(AnyLightningModule& module, const Checkpoint& checkpoint, const std::string& path, bool strict) {
  try {
    module.on_load_checkpoint(checkpoint);
    module.load_state_dict(checkpoint.weights, strict);
    const std::string& text = checkpoint.text("transforms");
    if (text.empty()) return;
    reading(path, "fulmen.transforms", [&] {
      const json saved = json::parse(text);
      for (const auto& [name, transform] : module.transforms()) {
        const auto found = saved.find(name);
        if (found == saved.end()) {
          if (!strict) continue;
          throw Error("E013", path + " has no transform \"" + name + "\"", "it was saved by another model");
        }
        if (!found->at("fitted").get<bool>()) continue;
        data::PreprocessorState state;
        state.json = found->at("state").get<std::string>();
        const std::string prefix = "transform." + name + ".";
        for (const auto& item : checkpoint.others) {
          if (item.key().rfind(prefix, 0) == 0) state.tensors[item.key().substr(prefix.size())] = item.value();
        }
        transform->load_state(state);
      }
    });
  } catch (Error& error) {
    if (std::string(error.what()).find(path) == std::string::npos) error.add_context("checkpoint " + path);
    throw;
  }
}

}  // namespace detail
}  // namespace fulmen::trainer
