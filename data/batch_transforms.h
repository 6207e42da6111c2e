#pragma once
#include <fulmen/data/batch.h>
#include <fulmen/tensor/any_function.h>

// LibTorch's transforms of samples and batches, for `dataset.map(...)`. Transforms that are fitted, stored and undone
// are in transforms.h.
namespace fulmen::data::transforms {

/// Turns a batch into another one.
template <class InputBatch, class OutputBatch>
class BatchTransform {
 public:
  using InputBatchType = InputBatch;
  using OutputBatchType = OutputBatch;

  virtual ~BatchTransform() = default;
  virtual OutputBatch apply_batch(InputBatch input) = 0;
};

/// Turns each sample of a batch into another one.
template <class Input, class Output>
class Transform : public BatchTransform<std::vector<Input>, std::vector<Output>> {
 public:
  using InputType = Input;
  using OutputType = Output;

  virtual Output apply(Input input) = 0;
  std::vector<Output> apply_batch(std::vector<Input> input) override {
    std::vector<Output> output;
    output.reserve(input.size());
    for (Input& sample : input) output.push_back(apply(std::move(sample)));
    return output;
  }
};

/// A batch transform from a function.
template <class Input, class Output = Input>
class BatchLambda : public BatchTransform<Input, Output> {
 public:
  using FunctionType = AnyFunction<Output(Input)>;
  explicit BatchLambda(FunctionType function) : function_(std::move(function)) {}
  Output apply_batch(Input input) override { return function_(std::move(input)); }

 private:
  FunctionType function_;
};

/// A transform of samples from a function.
template <class Input, class Output = Input>
class Lambda : public Transform<Input, Output> {
 public:
  using FunctionType = AnyFunction<Output(Input)>;
  explicit Lambda(FunctionType function) : function_(std::move(function)) {}
  Output apply(Input input) override { return function_(std::move(input)); }

 private:
  FunctionType function_;
};

/// Changes the data of an example and leaves its target alone.
template <class Target = Tensor>
class TensorTransform : public Transform<Example<Tensor, Target>, Example<Tensor, Target>> {
 public:
  virtual Tensor operator()(Tensor input) = 0;
  Example<Tensor, Target> apply(Example<Tensor, Target> input) override {
    input.data = (*this)(std::move(input.data));
    return input;
  }
};

/// The same from a function.
template <class Target = Tensor>
class TensorLambda : public TensorTransform<Target> {
 public:
  using FunctionType = AnyFunction<Tensor(Tensor)>;
  explicit TensorLambda(FunctionType function) : function_(std::move(function)) {}
  Tensor operator()(Tensor input) override { return function_(std::move(input)); }

 private:
  FunctionType function_;
};

/// (data - mean) / stddev for images [channels, height, width]; one value for all channels or one per channel.
template <class Target = Tensor>
class Normalize : public TensorTransform<Target> {
 public:
  Normalize(ArrayRef<double> mean, ArrayRef<double> stddev) : mean_(per_channel(mean)), stddev_(per_channel(stddev)) {}
  Tensor operator()(Tensor input) override { return input.sub(mean_).div(stddev_); }

 private:
  static Tensor per_channel(ArrayRef<double> values) {
    return rows_of(std::span<const double>(values.data(), values.size()), kFloat).view({-1, 1, 1});
  }
  Tensor mean_, stddev_;
};

/// Makes one value from the samples of a batch.
template <class T, class Batch = std::vector<T>>
using Collation = BatchTransform<Batch, T>;
/// The same from a function.
template <class T, class Batch = std::vector<T>>
using Collate = BatchLambda<Batch, T>;

/// Stacks the members of examples (or of any other aggregate of tensors) along a new dimension 0.
template <class T = Example<>>
class Stack : public Collation<T> {
 public:
  T apply_batch(std::vector<T> samples) override {
    T batch;
    collate(std::span<const T>(samples), batch);
    return batch;
  }
};

}  // namespace fulmen::data::transforms
