#include <fulmen/autograd/ops/embedding.h>
#include <fulmen/kernels/embedding.h>

namespace fulmen {

using namespace autograd;

namespace {

constexpr int64_t nothing = -1;

Tensor embedding_backward(const Tensor& gy, const Tensor& indices, int64_t count, int64_t skip);

/// indices: contiguous [n]; y: [n, features].
struct Embedding {
  static constexpr auto name = "embedding";
  int64_t skip;
  int64_t count = 0;
  Output forward(Forward& f, const Input& weight, const Input& indices) {
    count = weight.size(0);
    Tensor rows = weight.contiguous();
    Output y = f.empty({indices.numel(), weight.size(1)}, weight.scalar_type(), weight.device());
    kernel::embedding(f.launch(y), f.out(y), f.in(rows), f.in(indices));
    f.save(indices);
    return y;
  }
  // gw[indices[i]] += gy[i]
  Grads<2> backward(const Saved& s, const Tensor& gy) const {
    return {embedding_backward(gy, s[0], count, skip), Tensor()};
  }
};

struct EmbeddingBackward {
  static constexpr auto name = "embedding_backward";
  int64_t count, skip;
  Output forward(Forward& f, const Input& gy, const Input& indices) {
    Tensor dense = gy.contiguous();
    Output gw = f.empty({count, gy.size(1)}, gy.scalar_type(), gy.device());
    gw.zero_();
    kernel::embedding_add(f.launch(gw), f.out(gw), f.in(dense), f.in(indices), skip);
    f.save(indices);
    return gw;
  }
  // ggy[i] = ggw[indices[i]], zero where the index is skipped
  Grads<2> backward(const Saved& s, const Tensor& ggw) const {
    Tensor ggy = apply(Embedding{skip}, ggw, s[0]);
    if (skip != nothing) ggy = ggy.masked_fill(s[0].eq(skip).unsqueeze(1), 0);
    return {ggy, Tensor()};
  }
};

Tensor embedding_backward(const Tensor& gy, const Tensor& indices, int64_t count, int64_t skip) {
  return apply(EmbeddingBackward{count, skip}, gy, indices);
}

/// Gradients divided by how often their row occurs.
struct ScaleByFrequency {
  static constexpr auto name = "scale_by_frequency";
  Output forward(Forward& f, const Input& y, const Input& frequency) {
    Output same = f.empty_like(y);
    same.copy_(y);
    f.save(frequency);
    return same;
  }
  // gy' = gy / frequency
  Grads<2> backward(const Saved& s, const Tensor& gy) const { return {gy.div(s[0]), Tensor()}; }
};

/// On CUDA the kernel looks itself, so that nobody waits for the device.
void check_indices(const Tensor& flat, int64_t count) {
  if (flat.is_cuda()) return;
  const int64_t* index = flat.data_ptr<int64_t>();
  for (int64_t i = 0; i < flat.numel(); ++i) {
    FULMEN_CHECK_INDEX(index[i] >= 0 && index[i] < count, "embedding: index out of range in self: index ", index[i],
                       " at position ", i, " of the flattened indices; the table has rows 0 to ", count - 1);
  }
}

}  // namespace

Tensor embedding(const Tensor& weight, const Tensor& indices, int64_t padding_idx, bool scale_grad_by_freq) {
  FULMEN_CHECK(weight.dim() == 2, "'weight' must be 2-D; embedding got ", weight);
  FULMEN_CHECK(indices.scalar_type() == kLong || indices.scalar_type() == kInt,
               "embedding: Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, "
               "Int; but got ",
               indices, " instead");
  int64_t count = weight.size(0), skip = padding_idx < -1 ? padding_idx + count : padding_idx;
  FULMEN_CHECK(skip >= -1 && skip < count, "embedding: padding_idx ", padding_idx, " is outside of a table of ", count,
               " rows");
  Tensor flat = indices.to(kLong).reshape({-1}).contiguous();
  check_indices(flat, count);
  Tensor y = apply(Embedding{skip}, weight, flat);
  if (scale_grad_by_freq) {
    Tensor frequency = flat.unsqueeze(1).eq(flat.unsqueeze(0)).sum(1, true).to(weight.scalar_type());
    y = apply(ScaleByFrequency{}, y, frequency);
  }
  std::vector<int64_t> sizes = indices.sizes().vec();
  sizes.push_back(weight.size(1));
  return y.view(sizes);
}

}  // namespace fulmen
