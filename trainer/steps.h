#pragma once
#include <fulmen/tensor/any_function.h>
#include <fulmen/trainer/data_module.h>
#include <fulmen/trainer/lightning_module.h>

namespace fulmen::trainer {

/// What of a module a run may call; a bit per member that the user's class overrides.
struct Overrides {
  bool training_step = false, validation_step = false, test_step = false, predict_step = false;
  bool configure_optimizers = false, optimizer_step = false;
  bool prepare_data = false, configure_model = false;
};

/// Which of the three hooks between loader and step somebody overrides.
struct TransferOverrides {
  bool before = false, move = false, after = false;
};

/// The user's module as the loops see it: its steps and the hooks that see a batch, without their types. A batch is
/// passed by address; it is what the loader of the same module made.
class ModuleSteps {
 public:
  virtual ~ModuleSteps() = default;
  virtual AnyLightningModule& module() = 0;
  virtual Overrides overrides() const = 0;
  /// A hyperparameter, or another number of the module, by name (detail::tunables_of).
  virtual std::optional<double> number(const std::string& name) = 0;
  virtual bool set_number(const std::string& name, double value) = 0;
  /// forward(example_input_array); false if the module has no forward of a Tensor.
  virtual bool forward_example() = 0;
  virtual AnyRef ref(const void* batch) const = 0;
  virtual int64_t batch_size(const void* batch) const = 0;
  /// The three transfer hooks.
  virtual void transfer(void* batch, Device device, int64_t dataloader_idx) = 0;
  /// Floating-point tensors of the batch to another type.
  virtual void convert(void* batch, ScalarType dtype) = 0;

  /// For a recorded step: copies the batch to memory that stays; puts another one there, false if its tensors have
  /// other shapes, dtypes or devices.
  virtual void keep(const void* batch) = 0;
  virtual bool refill(const void* batch) = 0;
  virtual const void* kept() const = 0;

  virtual StepOutput training_step(const void* batch, int64_t batch_idx) = 0;
  virtual StepOutput evaluation_step(Stage stage, const void* batch, int64_t batch_idx, int64_t dataloader_idx) = 0;
  virtual int on_train_batch_start(const void* batch, int64_t batch_idx) = 0;
  virtual void on_train_batch_end(const StepOutput& output, const void* batch, int64_t batch_idx) = 0;
  virtual void on_batch_start(Stage stage, const void* batch, int64_t batch_idx, int64_t dataloader_idx) = 0;
  virtual void on_batch_end(Stage stage, const StepOutput& output, const void* batch, int64_t batch_idx,
                            int64_t dataloader_idx) = 0;

  /// Computes the prediction of a batch and keeps it, on the CPU, until the next call.
  virtual AnyRef predict_step(const void* batch, int64_t batch_idx, int64_t dataloader_idx) = 0;
  /// Its tensors under their names: those of its fields(), or of a Dict; empty if it holds none.
  virtual std::vector<std::pair<std::string, Tensor>> prediction_tensors() = 0;
  virtual void on_predict_batch_end(const void* batch, int64_t batch_idx, int64_t dataloader_idx) = 0;
  /// Hands the kept prediction to whoever asked for predictions; false to stop.
  virtual bool deliver(int64_t batch_idx, int64_t dataloader_idx) = 0;
};

namespace detail {

template <class C, class R, class... A>
C class_of(R (C::*)(A...));
template <class C, class R, class... A>
C class_of(R (C::*)(A...) const);

/// The class that defines a member function is the class in its pointer's type. A member that cannot be named from here
/// (private, overloaded) was written by the user.
#define FULMEN_OVERRIDES(M, member, Base)                                                      \
  [] {                                                                                         \
    if constexpr (requires { &M::member; }) {                                                  \
      return !std::is_same_v<decltype(::fulmen::trainer::detail::class_of(&M::member)), Base>; \
    } else {                                                                                   \
      return true;                                                                             \
    }                                                                                          \
  }()

template <class M>
concept IsLightningModule = requires {
  typename M::Batch;
  typename M::Prediction;
}
&&std::derived_from<M, LightningModule<typename M::Batch, typename M::Prediction>>;

template <class M>
constexpr Overrides overrides_of() {
  using L = LightningModule<typename M::Batch, typename M::Prediction>;
  return {.training_step = FULMEN_OVERRIDES(M, training_step, L),
          .validation_step = FULMEN_OVERRIDES(M, validation_step, L),
          .test_step = FULMEN_OVERRIDES(M, test_step, L),
          .predict_step = FULMEN_OVERRIDES(M, predict_step, L),
          .configure_optimizers = FULMEN_OVERRIDES(M, configure_optimizers, AnyLightningModule),
          .optimizer_step = FULMEN_OVERRIDES(M, optimizer_step, AnyLightningModule),
          .prepare_data = FULMEN_OVERRIDES(M, prepare_data, Hooks),
          .configure_model = FULMEN_OVERRIDES(M, configure_model, Hooks)};
}

template <class T, class Base>
constexpr TransferOverrides transfer_overrides() {
  return {.before = FULMEN_OVERRIDES(T, on_before_batch_transfer, Base),
          .move = FULMEN_OVERRIDES(T, transfer_batch_to_device, Base),
          .after = FULMEN_OVERRIDES(T, on_after_batch_transfer, Base)};
}

template <class M>
concept ForwardsBatch = requires(M& m, const typename M::Batch& b) {
  { m.forward(b) } -> std::convertible_to<typename M::Prediction>;
};
template <class M>
concept ForwardsData = requires(M& m, const typename M::Batch& b) {
  { m.forward(b.data) } -> std::convertible_to<typename M::Prediction>;
};

/// Copies each tensor into its counterpart; false, and nothing is copied, if they do not correspond.
bool copy_all(const std::vector<Tensor>& to, const std::vector<Tensor>& from);

/// Tensors of a prediction on the CPU; other values as they are.
template <class P>
P to_cpu(P prediction) {
  if constexpr (requires { data::to_device(std::move(prediction), Device(kCPU)); }) {
    return data::to_device(std::move(prediction), Device(kCPU));
  } else {
    return prediction;
  }
}

}  // namespace detail

/// The thin template: one per module type.
template <class M>
class StepsOf final : public ModuleSteps {
 public:
  using B = typename M::Batch;
  using P = typename M::Prediction;
  using L = LightningModule<B, P>;
  using Sink = AnyFunction<bool(P, int64_t batch_idx, int64_t dataloader_idx)>;
  static constexpr Overrides overridden = detail::overrides_of<M>();

  explicit StepsOf(M& module, Sink sink = {}) : module_(module), sink_(std::move(sink)) {}
  /// Hooks that a DataModule overrides take the place of the module's.
  void transfer_with(DataModule<B>& data_module, const TransferOverrides& overrides) {
    data_module_ = &data_module;
    of_data_module_ = overrides;
  }

  AnyLightningModule& module() override { return module_; }
  Overrides overrides() const override { return overridden; }
  std::optional<double> number(const std::string& name) override {
    return trainer::get_number(detail::tunables_of(module_), name);
  }
  bool set_number(const std::string& name, double value) override {
    if (!trainer::set_number(detail::tunables_of(module_), name, value)) return false;
    if constexpr (requires(FieldVisitor & f) { module_.hp.fields(f); }) {
      if (module_.hparams() != "{}") module_.update_hyperparameters(module_.hp);
    }
    return true;
  }
  bool forward_example() override {
    if constexpr (requires { module_.forward(module_.example_input_array); }) {
      const Tensor& example = module_.example_input_array;
      module_.forward(
          example.to(module_.device(), example.is_floating_point() ? module_.dtype() : example.scalar_type()));
      return true;
    }
    return false;
  }
  AnyRef ref(const void* batch) const override { return {batch, typeid(B)}; }
  int64_t batch_size(const void* batch) const override { return data::batch_size(in(batch)); }
  void transfer(void* batch, Device device, int64_t loader) override {
    constexpr TransferOverrides own = detail::transfer_overrides<M, L>();
    if (!(own.before || own.move || own.after) && !data_module_ && device.is_cpu()) return;
    B& b = *static_cast<B*>(batch);
    b = of_data_module_.before ? data_module_->on_before_batch_transfer(std::move(b), loader)
                               : typed().on_before_batch_transfer(std::move(b), loader);
    b = of_data_module_.move ? data_module_->transfer_batch_to_device(std::move(b), device, loader)
                             : typed().transfer_batch_to_device(std::move(b), device, loader);
    b = of_data_module_.after ? data_module_->on_after_batch_transfer(std::move(b), loader)
                              : typed().on_after_batch_transfer(std::move(b), loader);
  }

  void convert(void* batch, ScalarType dtype) override {
    data::for_each_tensor(*static_cast<B*>(batch), [dtype](const std::string&, Tensor& t) {
      if (t.is_floating_point()) t = t.to(dtype);
    });
  }

  void keep(const void* batch) override {
    kept_.emplace(in(batch));
    data::for_each_tensor(*kept_, [](const std::string&, Tensor& t) { t = t.clone(); });
  }
  bool refill(const void* batch) override {
    std::vector<Tensor> to, from;
    B other = in(batch);
    data::for_each_tensor(*kept_, [&](const std::string&, Tensor& t) { to.push_back(t); });
    data::for_each_tensor(other, [&](const std::string&, Tensor& t) { from.push_back(t); });
    return detail::copy_all(to, from);
  }
  const void* kept() const override { return &*kept_; }

  StepOutput training_step(const void* batch, int64_t i) override {
    if constexpr (FULMEN_OVERRIDES(M, training_step_end, L)) {
      return typed().training_step_end(typed().training_step(in(batch), i));
    } else {
      return typed().training_step(in(batch), i);
    }
  }
  StepOutput evaluation_step(Stage stage, const void* batch, int64_t i, int64_t loader) override {
    if (stage == Stage::Test) return typed().test_step_end(typed().test_step(in(batch), i, loader));
    return typed().validation_step_end(typed().validation_step(in(batch), i, loader));
  }
  int on_train_batch_start(const void* batch, int64_t i) override { return typed().on_train_batch_start(in(batch), i); }
  void on_train_batch_end(const StepOutput& output, const void* batch, int64_t i) override {
    typed().on_train_batch_end(output, in(batch), i);
  }
  void on_batch_start(Stage stage, const void* batch, int64_t i, int64_t loader) override {
    if (stage == Stage::Test) return typed().on_test_batch_start(in(batch), i, loader);
    if (stage == Stage::Predict) return typed().on_predict_batch_start(in(batch), i, loader);
    typed().on_validation_batch_start(in(batch), i, loader);
  }
  void on_batch_end(Stage stage, const StepOutput& output, const void* batch, int64_t i, int64_t loader) override {
    if (stage == Stage::Test) return typed().on_test_batch_end(output, in(batch), i, loader);
    typed().on_validation_batch_end(output, in(batch), i, loader);
  }

  AnyRef predict_step(const void* batch, int64_t i, int64_t loader) override {
    if constexpr (overridden.predict_step) {
      prediction_.emplace(detail::to_cpu<P>(typed().predict_step(in(batch), i, loader)));
    } else if constexpr (detail::ForwardsBatch<M>) {
      prediction_.emplace(detail::to_cpu<P>(module_.forward(in(batch))));
    } else if constexpr (detail::ForwardsData<M>) {
      prediction_.emplace(detail::to_cpu<P>(module_.forward(in(batch).data)));
    } else {
      prediction_.emplace(typed().predict_step(in(batch), i, loader));
    }
    return {&*prediction_, typeid(P)};
  }
  void on_predict_batch_end(const void* batch, int64_t i, int64_t loader) override {
    typed().on_predict_batch_end(*prediction_, in(batch), i, loader);
  }
  std::vector<std::pair<std::string, Tensor>> prediction_tensors() override {
    std::vector<std::pair<std::string, Tensor>> tensors;
    const auto add = [&tensors]<class T>(const std::string& name, T& member) {
      if constexpr (std::is_same_v<T, Tensor>) tensors.emplace_back(name, member.detach());
    };
    if constexpr (std::is_same_v<P, Tensor>) {
      add("prediction", *prediction_);
    } else if constexpr (requires { prediction_->fields(add); }) {
      prediction_->fields(add);
    } else if constexpr (requires { data::to_device(P(*prediction_), Device(kCPU)); }) {
      data::for_each_tensor(*prediction_, add);
    }
    return tensors;
  }
  bool deliver(int64_t i, int64_t loader) override {
    const bool more = !sink_ || sink_(std::move(*prediction_), i, loader);
    prediction_.reset();
    return more;
  }

 private:
  static const B& in(const void* batch) { return *static_cast<const B*>(batch); }
  L& typed() { return module_; }

  M& module_;
  Sink sink_;
  DataModule<B>* data_module_ = nullptr;
  TransferOverrides of_data_module_;
  std::optional<P> prediction_;
  std::optional<B> kept_;
};

}  // namespace fulmen::trainer
