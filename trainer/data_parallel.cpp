#include <fulmen/autograd/ops/creation.h>
#include <fulmen/tensor/cuda.h>
#include <fulmen/tensor/error.h>
#include <fulmen/trainer/data_parallel.h>
#include <fulmen/trainer/fit_loop.h>

#include <algorithm>

namespace fulmen::trainer {

namespace {
Device device_at(int number) { return Device(kCUDA, static_cast<DeviceIndex>(number)); }
}  // namespace

/// While one lives, the module's weights are the copies on another device, and gradients go there.
class DataParallel::Elsewhere {
 public:
  Elsewhere(DataParallel& all, size_t i) : all_(all), i_(i), guard_(device_at(all.devices_.devices()[i + 1])) {
    for (size_t k = 0; k < all.weights_.size(); ++k) {
      const Tensor& weight = all.weights_[k];
      home_.push_back(weight.detach());
      home_gradients_.push_back(weight.grad());
      weight.set_data(all.copies_[i][k]);
      weight.mutable_grad() = all.gradients_[i][k];
    }
  }
  ~Elsewhere() {
    for (size_t k = 0; k < home_.size(); ++k) {
      const Tensor& weight = all_.weights_[k];
      all_.gradients_[i_][k] = weight.grad();
      weight.set_data(home_[k]);
      weight.mutable_grad() = home_gradients_[k];
    }
  }
  Elsewhere(const Elsewhere&) = delete;

 private:
  DataParallel& all_;
  size_t i_;
  cuda::DeviceGuard guard_;
  std::vector<Tensor> home_, home_gradients_;
};

DataParallel::DataParallel(Run& run, ModuleSteps& steps)
    : run_(run), steps_(steps), devices_(run.devices), logs_(run.devices.size()) {}
DataParallel::~DataParallel() { run_.metrics.deferred = nullptr; }

void DataParallel::use(const std::shared_ptr<data::LoaderEngine>& loader) {
  batches_.clear();
  for (size_t i = 1; i < devices_.size(); ++i) batches_.emplace_back(loader);
}

void DataParallel::fill() {
  filled_ = 0;
  while (filled_ < batches_.size() && batches_[filled_].fill()) ++filled_;
}

void DataParallel::enter() {
  const int64_t of_first = run_.metrics.batch_size;
  std::vector<int64_t> samples{of_first};
  for (size_t i = 0; i < filled_; ++i) {
    void* batch = batches_[i].get();
    steps_.transfer(batch, device_at(devices_.devices()[i + 1]), 0);
    if (run_.precision.converts_to()) steps_.convert(batch, *run_.precision.converts_to());
    samples.push_back(steps_.batch_size(batch));
    run_.metrics.batch_size += samples.back();
  }
  shares_.clear();
  for (int64_t count : samples) {
    shares_.push_back(static_cast<double>(count) / static_cast<double>(run_.metrics.batch_size));
  }
}

/// The module's weights may be others than in the step before: layers are exchanged, types converted.
void DataParallel::find_weights() {
  std::vector<Tensor> found;
  auto add = [&](const Tensor& tensor) {
    if (std::none_of(found.begin(), found.end(), [&](const Tensor& t) { return t.is_same(tensor); })) {
      found.push_back(tensor);
    }
  };
  for (const Tensor& parameter : run_.module->parameters()) add(parameter);
  for (const Tensor& buffer : run_.module->buffers()) add(buffer);
  auto alike = [](const Tensor& a, const Tensor& b) {
    return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type();
  };
  const bool fit =
      !copies_.empty() && std::equal(found.begin(), found.end(), copies_[0].begin(), copies_[0].end(), alike);
  weights_ = std::move(found);
  if (fit) return;
  copies_.clear();
  gradients_.assign(devices_.size() - 1, std::vector<Tensor>(weights_.size()));
  for (size_t i = 1; i < devices_.size(); ++i) {
    copies_.emplace_back();
    const auto device = device_at(devices_.devices()[i]);
    for (const Tensor& weight : weights_) copies_.back().push_back(empty_like(weight.detach(), device));
  }
}

void DataParallel::copy_weights() {
  std::vector<Tensor> copies(devices_.size());
  devices_.together([&] {
    for (size_t k = 0; k < weights_.size(); ++k) {
      copies[0] = weights_[k].detach();
      for (size_t i = 1; i < copies.size(); ++i) copies[i] = copies_[i - 1][k];
      if (copies[0].numel() > 0) devices_.broadcast(copies);
    }
  });
}

void DataParallel::train(int64_t divisor, bool fresh) {
  find_weights();
  copy_weights();
  losses_.clear();
  for (auto& log : logs_) log.clear();
  for (size_t i = 0; i < gradients_.size(); ++i) {
    if (fresh) gradients_[i].assign(weights_.size(), Tensor());
    if (i < filled_) train_on(i, divisor);
  }
  run_.metrics.deferred = &logs_[0];
}

void DataParallel::train_on(size_t i, int64_t divisor) {
  const Elsewhere here(*this, i);
  const Device device = device_at(devices_.devices()[i + 1]);
  // Random numbers of its own, which follow from the first device's: a checkpoint has those.
  Generator &random = default_generator(device), &first = default_generator(run_.device);
  random->set_seed(first->seed() + 0x9e3779b97f4a7c15u * (i + 1));
  random->set_philox_offset(first->philox_offset());
  run_.metrics.deferred = &logs_[i + 1];
  StepOutput output;
  {
    const Precision::Scope scope(run_.precision);
    output = steps_.training_step(batches_[i].get(), run_.batch_idx);
  }
  if (!has_loss(output)) refuse_skip(device);
  losses_.push_back(output.loss().detach());
  const Tensor loss = output.loss().mul(shares_[i + 1] / static_cast<double>(divisor));
  run_.module->backward(run_.precision.scaler() ? run_.precision.scaler()->scale(loss) : loss);
}

void DataParallel::join(bool reduce) {
  run_.metrics.deferred = nullptr;
  if (reduce) add_gradients();
  log_means();
  for (auto& log : logs_) log.clear();
}

/// All in one call of NCCL. A weight that a device did not use has no gradient there, which counts as zero.
void DataParallel::add_gradients() {
  std::vector<std::vector<Tensor>> sums;
  for (size_t k = 0; k < weights_.size(); ++k) {
    std::vector<Tensor> of_devices{weights_[k].grad()};
    for (auto& gradients : gradients_) of_devices.push_back(std::exchange(gradients[k], Tensor()));
    if (std::none_of(of_devices.begin(), of_devices.end(), [](const Tensor& t) { return t.defined(); })) continue;
    for (size_t i = 0; i < of_devices.size(); ++i) {
      Tensor& gradient = of_devices[i];
      gradient = gradient.defined() ? gradient.contiguous()
                                    : zeros_like(weights_[k].detach(), device_at(devices_.devices()[i]));
    }
    weights_[k].mutable_grad() = of_devices[0];
    if (of_devices[0].numel() > 0) sums.push_back(std::move(of_devices));
  }
  devices_.together([&] {
    for (const auto& of_devices : sums) devices_.reduce(of_devices);
  });
}

/// What the first device logged, made one with what the others logged under the same name.
void DataParallel::log_means() {
  const HookSite site = run_.metrics.site;
  auto value_of = [](const MetricBook::Deferred& entry) {
    return entry.value.defined() ? entry.value.item().toDouble() : entry.number;
  };
  for (size_t k = 0; k < logs_[0].size(); ++k) {
    const MetricBook::Deferred& entry = logs_[0][k];
    const Reduce reduce = entry.options.reduce;
    double value = value_of(entry), weight = shares_[0];
    if (reduce == Reduce::Mean) value *= weight;
    for (size_t i = 1; i < logs_.size(); ++i) {
      const auto same =
          std::find_if(logs_[i].begin(), logs_[i].end(), [&](const auto& e) { return e.name == entry.name; });
      if (same == logs_[i].end()) continue;
      const double other = value_of(*same);
      if (reduce == Reduce::Mean) value += other * shares_[i], weight += shares_[i];
      if (reduce == Reduce::Sum) value += other;
      if (reduce == Reduce::Max) value = other > value || other != other ? other : value;
      if (reduce == Reduce::Min) value = other < value || other != other ? other : value;
    }
    run_.metrics.site = entry.site;
    run_.metrics.log(entry.name, reduce == Reduce::Mean ? value / weight : value, entry.options);
  }
  run_.metrics.site = site;
}

void DataParallel::refuse_skip(Device device) const {
  throw Error("E016", str("training_step left out the batch of ", device, "; on several devices every batch counts"),
              "return a loss of zero, or use one device");
}

}  // namespace fulmen::trainer
