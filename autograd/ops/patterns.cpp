#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops/comparison.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/indexing.h>
#include <fulmen/autograd/ops/patterns.h>

namespace fulmen {

Tensor one_hot(const Tensor& labels, int64_t num_classes) {
  FULMEN_CHECK(labels.scalar_type() == kLong, "one_hot is only applicable to index tensor of type LongTensor; got ",
               labels);
  Shape sizes(labels.sizes());
  if (labels.numel() == 0) {
    FULMEN_CHECK(num_classes > 0, "Can not infer total number of classes from empty tensor.");
    sizes.push_back(num_classes);
    return empty(sizes, labels.options());
  }
  const auto smallest = labels.min().item<int64_t>(), largest = labels.max().item<int64_t>();
  FULMEN_CHECK(smallest >= 0, "Class values must be non-negative.; got ", smallest);
  FULMEN_CHECK(num_classes == -1 || num_classes > 0, "num_classes should be positive; got ", num_classes);
  FULMEN_CHECK(num_classes == -1 || largest < num_classes, "Class values must be smaller than num_classes.; got ",
               largest, " of ", num_classes);
  if (num_classes == -1) num_classes = largest + 1;
  sizes.push_back(num_classes);
  const Tensor hot = zeros({labels.numel(), num_classes}, labels.options());
  index_put_(hot, {arange(labels.numel(), labels.options()), labels.flatten()}, ones({}, labels.options()));
  return hot.view(sizes);
}

namespace {

/// cols - rows for every element of x's last two dimensions.
Tensor diagonal_of_elements(const Tensor& x, const char* name) {
  FULMEN_CHECK(x.dim() >= 2, name, ": input tensor must have at least 2 dimensions; got ", x);
  const TensorOptions options = x.options().dtype(kLong);
  return arange(x.size(-1), options).sub(arange(x.size(-2), options).unsqueeze(1));
}

}  // namespace

Tensor tril(const Tensor& x, int64_t diagonal) {
  return x.masked_fill(diagonal_of_elements(x, "tril").gt(diagonal), 0);
}
Tensor triu(const Tensor& x, int64_t diagonal) {
  return x.masked_fill(diagonal_of_elements(x, "triu").lt(diagonal), 0);
}

std::vector<Tensor> meshgrid(TensorList vectors, std::string_view indexing) {
  FULMEN_CHECK(!vectors.empty(), "meshgrid expects a non-empty TensorList");
  FULMEN_CHECK(indexing == "ij" || indexing == "xy",
               "meshgrid: indexing must be one of \"xy\" or \"ij\", but received: ", indexing);
  Shape sizes;
  for (const Tensor& v : vectors) {
    FULMEN_CHECK(v.dim() <= 1, "Expected 0D or 1D tensor in the tensor list but got: ", v);
    FULMEN_CHECK(v.scalar_type() == vectors[0].scalar_type(), "meshgrid expects all tensors to have the same dtype");
    sizes.push_back(v.numel());
  }
  std::vector<Tensor> grids;
  for (size_t i = 0; i < vectors.size(); ++i) {
    Shape own(sizes.size(), 1);
    own[i] = sizes[i];
    Tensor grid = vectors[i].reshape(own).expand(sizes);
    grids.push_back(indexing == "xy" && sizes.size() >= 2 ? grid.transpose(0, 1) : grid);
  }
  return grids;
}

}  // namespace fulmen
