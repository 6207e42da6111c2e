#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/comparison.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/embedding.h>
#include <fulmen/autograd/ops/gather.h>
#include <fulmen/autograd/ops/indexing.h>
#include <fulmen/autograd/ops/reduction.h>
#include <fulmen/autograd/ops/select.h>
#include <fulmen/autograd/ops/sort.h>
#include <fulmen/autograd/ops/views.h>
#include <fulmen/nn/functional/embedding.h>

#include <limits>

namespace fulmen::nn::functional {
namespace {

// Rows that are looked up and longer than max_norm are shortened to it.
void renorm_rows(const Tensor& weight, const Tensor& indices, double max_norm, double norm_type) {
  NoGradGuard no_grad;
  const Tensor flat = indices.reshape({-1}), rows = weight.index_select(0, flat);
  const Tensor norms = rows.norm(norm_type, {1}, true);
  // A row that comes twice is written twice, with the same values.
  const Tensor factor = where(norms.gt(max_norm), max_norm / (norms + 1e-7), ones_like(norms));
  weight.index_put_({flat}, rows * factor);
}

/// The items of all bags, one after the other.
struct Bags {
  Tensor items;    ///< rows of the table, [n]
  Tensor bag;      ///< of each item, [n]
  Tensor offsets;  ///< where each bag begins, [bags]
  int64_t count;
};

Bags bags_of(const Tensor& input, const EmbeddingBagFuncOptions& o) {
  FULMEN_CHECK(input.dim() == 1 || input.dim() == 2, "embedding_bag: input has to be 1D or 2D Tensor, but got ", input);
  const auto options = TensorOptions(kLong).device(input.device());
  if (input.dim() == 2) {
    FULMEN_CHECK(!o.offsets().defined(),
                 "embedding_bag: If input is 2D, then offsets has to be null, as input is treated is a mini-batch of "
                 "fixed length sequences. However, found offsets ",
                 o.offsets());
    const int64_t bags = input.size(0), length = input.size(1);
    const Tensor number = arange(bags, options);
    return {input.reshape({-1}), number.unsqueeze(1).expand({bags, length}).reshape({-1}), number.mul(length), bags};
  }
  FULMEN_CHECK(o.offsets().defined() && o.offsets().dim() == 1,
               "embedding_bag: offsets has to be a 1D Tensor, but got ", o.offsets());
  Tensor offsets = o.offsets().to(kLong);
  FULMEN_CHECK(!o.include_last_offset() || offsets.numel() > 0,
               "embedding_bag: include_last_offset: number of offset should be at least 1");
  if (o.include_last_offset()) offsets = offsets.narrow(0, 0, offsets.numel() - 1);
  if (offsets.numel() > 0) {
    FULMEN_CHECK(offsets.select(0, 0).item<int64_t>() == 0,
                 "embedding_bag: offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from "
                 "position 0. However, got ",
                 offsets.select(0, 0).item<int64_t>());
    FULMEN_CHECK(offsets.max().item<int64_t>() <= input.numel(),
                 "embedding_bag: offsets can not be greater than input's length ", input.numel());
  }
  // One more at every beginning; their running sum numbers the bags.
  const Tensor begins = zeros({input.numel() + 1}, options).index_add(0, offsets, ones({offsets.numel()}, options));
  return {input, cumsum(begins, 0).narrow(0, 0, input.numel()).sub(1), offsets, offsets.numel()};
}

/// The maximum over the rows of each bag that are `kept`, by a table of the longest bag's length.
Tensor largest_rows(const Bags& bags, const Tensor& rows, const Tensor& kept) {
  const auto options = TensorOptions(kLong).device(rows.device());
  const Tensor lengths = zeros({bags.count}, options).index_add(0, bags.bag, ones({bags.items.numel()}, options));
  const int64_t longest = bags.count == 0 || rows.size(0) == 0 ? 0 : lengths.max().item<int64_t>();
  if (longest == 0) return zeros({bags.count, rows.size(1)}, rows.options());
  const Tensor place = arange(longest, options).unsqueeze(0), inside = place.lt(lengths.unsqueeze(1));
  const Tensor item = (bags.offsets.unsqueeze(1) + place).masked_fill(inside.logical_not(), 0).reshape({-1});
  const Tensor seen = inside.logical_and(kept.index_select(0, item).view({bags.count, longest}));
  const Tensor table = rows.index_select(0, item).view({bags.count, longest, rows.size(1)});
  const Tensor hidden = table.masked_fill(seen.logical_not().unsqueeze(2), -std::numeric_limits<double>::infinity());
  return std::get<0>(max(hidden, 1)).masked_fill(any(seen, 1).logical_not().unsqueeze(1), 0);
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

Tensor embedding_bag(const Tensor& input, const Tensor& weight, const EmbeddingBagFuncOptions& o) {
  const Tensor& factors = o.per_sample_weights();
  FULMEN_CHECK(!factors.defined() || o.mode().is<enumtype::kSum>(),
               "embedding_bag: per_sample_weights was not null. per_sample_weights is only supported for mode='kSum' "
               "(got mode='k",
               std::string(o.mode().text()), "')");
  FULMEN_CHECK(!factors.defined() || factors.sizes() == input.sizes(), "embedding_bag: If per_sample_weights (",
               factors, ") is not null, then it must have the same shape as the input (", input, ")");
  const Bags bags = bags_of(input, o);
  EmbeddingFuncOptions lookup;
  lookup.padding_idx(o.padding_idx()).max_norm(o.max_norm()).norm_type(o.norm_type());
  Tensor rows = embedding(bags.items, weight, lookup.scale_grad_by_freq(o.scale_grad_by_freq()));
  const auto truth = TensorOptions(kBool).device(rows.device());
  Tensor kept = ones({bags.items.numel()}, truth);
  if (o.padding_idx()) {
    kept = bags.items.ne(*o.padding_idx() < 0 ? *o.padding_idx() + weight.size(0) : *o.padding_idx());
  }
  if (o.mode().is<enumtype::kMax>()) return largest_rows(bags, rows, kept);
  if (factors.defined()) rows = rows * factors.reshape({-1, 1});
  if (o.padding_idx()) rows = rows.masked_fill(kept.logical_not().unsqueeze(1), 0);
  const Tensor sums =
      zeros({bags.count, weight.size(1)}, weight.options().requires_grad(false)).index_add(0, bags.bag, rows);
  if (o.mode().is<enumtype::kSum>()) return sums;
  const auto numbers = weight.options().requires_grad(false);
  const Tensor counts = zeros({bags.count}, numbers).index_add(0, bags.bag, kept.to(weight.scalar_type()));
  return sums / counts.clamp_min(1).unsqueeze(1);
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
