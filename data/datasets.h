#pragma once
#include <fulmen/data/batch_transforms.h>

#include <memory>

// LibTorch's datasets. A dataset that a DataLoader of loader.h shall read needs none of these classes, only get() and
// size().
namespace fulmen::data::datasets {

template <class Source, class Transform>
class MapDataset;

/// Gives whole batches on request. `Self` is the deriving class; `BatchRequest` is what a sampler gives.
template <class Self, class Batch = std::vector<Example<>>, class BatchRequest = ArrayRef<size_t>>
class BatchDataset {
 public:
  using SelfType = Self;
  using BatchType = Batch;
  using BatchRequestType = BatchRequest;
  /// Stateful datasets end when they say so: their batches are std::optional.
  static constexpr bool is_stateful = data::detail::is_optional<Batch>;

  virtual ~BatchDataset() = default;
  virtual Batch get_batch(BatchRequest request) = 0;
  /// Number of samples, if it is known.
  virtual std::optional<size_t> size() const = 0;

  /// This dataset with `transform` applied to each of its batches.
  template <class Transform>
  MapDataset<Self, Transform> map(Transform transform) & {
    return {static_cast<Self&>(*this), std::move(transform)};
  }
  template <class Transform>
  MapDataset<Self, Transform> map(Transform transform) && {
    return {static_cast<Self&&>(*this), std::move(transform)};
  }
};

/// Gives samples by index.
template <class Self, class SingleExample = Example<>>
class Dataset : public BatchDataset<Self, std::vector<SingleExample>> {
 public:
  using ExampleType = SingleExample;

  virtual SingleExample get(size_t index) = 0;
  std::vector<SingleExample> get_batch(ArrayRef<size_t> indices) override {
    std::vector<SingleExample> batch;
    batch.reserve(indices.size());
    for (size_t index : indices) batch.push_back(get(index));
    return batch;
  }
};

/// Gives batches of a requested size, without end.
template <class Self, class Batch = std::vector<Example<>>>
using StreamDataset = BatchDataset<Self, Batch, size_t>;

/// Keeps its own position and ends by giving std::nullopt; reset() begins anew. All workers use the same object.
template <class Self, class Batch = std::vector<Example<>>, class BatchRequest = size_t>
class StatefulDataset : public BatchDataset<Self, std::optional<Batch>, BatchRequest> {
 public:
  virtual void reset() = 0;
};

namespace detail {
template <class Source, class Transform>
using MappedBatch = std::conditional_t<Source::is_stateful, std::optional<typename Transform::OutputBatchType>,
                                       typename Transform::OutputBatchType>;
}

/// What dataset.map(transform) makes.
template <class Source, class Transform>
class MapDataset : public BatchDataset<MapDataset<Source, Transform>, detail::MappedBatch<Source, Transform>,
                                       typename Source::BatchRequestType> {
 public:
  using DatasetType = Source;
  using TransformType = Transform;
  using BatchRequestType = typename Source::BatchRequestType;
  using OutputBatchType = detail::MappedBatch<Source, Transform>;

  MapDataset(Source dataset, Transform transform) : dataset_(std::move(dataset)), transform_(std::move(transform)) {}

  OutputBatchType get_batch(BatchRequestType request) override {
    auto batch = dataset_.get_batch(std::move(request));
    if constexpr (Source::is_stateful) {
      if (!batch) return std::nullopt;
      return transform_.apply_batch(std::move(*batch));
    } else {
      return transform_.apply_batch(std::move(batch));
    }
  }
  std::optional<size_t> size() const override { return dataset_.size(); }
  void reset() requires(Source::is_stateful) { dataset_.reset(); }
  const Source& dataset() noexcept { return dataset_; }
  const Transform& transform() noexcept { return transform_; }

 private:
  Source dataset_;
  Transform transform_;
};

/// A dataset of which every worker uses the same object instead of a copy. It must be safe to use from several threads.
template <class Underlying>
class SharedBatchDataset : public BatchDataset<SharedBatchDataset<Underlying>, typename Underlying::BatchType,
                                               typename Underlying::BatchRequestType> {
 public:
  using BatchType = typename Underlying::BatchType;
  using BatchRequestType = typename Underlying::BatchRequestType;

  SharedBatchDataset(std::shared_ptr<Underlying> dataset) : dataset_(std::move(dataset)) {}
  BatchType get_batch(BatchRequestType request) override { return dataset_->get_batch(std::move(request)); }
  std::optional<size_t> size() const override { return dataset_->size(); }
  Underlying& operator*() { return *dataset_; }
  const Underlying& operator*() const { return *dataset_; }
  Underlying* operator->() { return dataset_.get(); }
  const Underlying* operator->() const { return dataset_.get(); }
  void reset() requires(Underlying::is_stateful) { dataset_->reset(); }

 private:
  std::shared_ptr<Underlying> dataset_;
};

template <class Underlying, class... Args>
SharedBatchDataset<Underlying> make_shared_dataset(Args&&... args) {
  return std::make_shared<Underlying>(std::forward<Args>(args)...);
}

/// The rows of a tensor, as examples without target.
class TensorDataset : public Dataset<TensorDataset, TensorExample> {
 public:
  /// One sample per tensor.
  explicit TensorDataset(const std::vector<Tensor>& tensors) : TensorDataset(stack(tensors)) {}
  explicit TensorDataset(Tensor tensor) : tensor(std::move(tensor)) {}
  TensorExample get(size_t index) override { return tensor.select(0, static_cast<int64_t>(index)); }
  std::optional<size_t> size() const override { return static_cast<size_t>(tensor.size(0)); }

  Tensor tensor;

 private:
  static Tensor stack(const std::vector<Tensor>& tensors) {
    Tensor all;
    collate(std::span<const Tensor>(tensors), all);
    return all;
  }
};

}  // namespace fulmen::data::datasets
