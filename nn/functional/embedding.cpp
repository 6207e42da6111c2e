#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/embedding.h>
#include <fulmen/nn/functional/embedding.h>

namespace fulmen::nn::functional {
namespace {

// Rows that are looked up and longer than max_norm are shortened to it.
void renorm_rows(const Tensor& weight, const Tensor& indices, double max_norm, double norm_type) {
  NoGradGuard no_grad;
  const Tensor flat = indices.reshape({-1});
  const Tensor norms = weight.index_select(0, flat).norm(norm_type, {1}, true);
  const Tensor factor = (max_norm / (norms + 1e-7)).clamp_max(1);
  for (int64_t i = 0; i < flat.numel(); ++i) {
    // A row that comes twice is short enough the second time.
    const double scale = factor.select(0, i).item<double>();
    const Tensor row = weight.select(0, flat.select(0, i).item<int64_t>());
    if (scale < 1 && row.norm(norm_type).item<double>() > max_norm) row.mul_(scale);
  }
}

}  // namespace

Tensor embedding(const Tensor& input, const Tensor& weight, const EmbeddingFuncOptions& options) {
  std::optional<int64_t> padding = options.padding_idx();
  if (padding) {
    FULMEN_CHECK(*padding >= -weight.size(0) && *padding < weight.size(0), "embedding: padding_idx ", *padding,
                 " must be within the ", weight.size(0), " embeddings");
    if (*padding < 0) *padding += weight.size(0);
  }
  if (options.max_norm()) renorm_rows(weight, input, *options.max_norm(), options.norm_type());
  return fulmen::embedding(weight, input, padding.value_or(-1), options.scale_grad_by_freq());
}

Tensor one_hot(const Tensor& labels, int64_t num_classes) {
  FULMEN_CHECK(labels.scalar_type() == kLong, "one_hot is only applicable to index tensor; got ", labels);
  if (num_classes < 0) {
    FULMEN_CHECK(labels.numel() > 0, "one_hot: Can not infer total number of classes from empty tensor.");
    num_classes = labels.max().item<int64_t>() + 1;
  }
  if (labels.numel() > 0) {
    const int64_t low = labels.min().item<int64_t>(), high = labels.max().item<int64_t>();
    FULMEN_CHECK(low >= 0, "one_hot: Class values must be non-negative; got ", low);
    FULMEN_CHECK(high < num_classes, "one_hot: Class values must be smaller than num_classes; got ", high, " of ",
                 num_classes);
  }
  const Tensor classes = arange(num_classes, TensorOptions(kLong).device(labels.device()));
  return labels.unsqueeze(-1).eq(classes).to(kLong);
}

}  // namespace fulmen::nn::functional
