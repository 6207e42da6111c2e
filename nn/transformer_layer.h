#pragma once
#include <fulmen/nn/attention.h>
#include <fulmen/nn/dropout.h>
#include <fulmen/nn/normalization.h>

// The layers of "Attention Is All You Need" (Vaswani et al. 2017): attention and a small network for each position,
// each added to its input and normalized, after it or (norm_first) before it. Sequences are [T, N, E], or [N, T, E]
// with batch_first; masks are those of functional::multi_head_attention_forward.
namespace fulmen::nn {

/// What stands between the two linear layers: kReLU, kGELU, or a function of a tensor.
class TransformerActivation {
 public:
  TransformerActivation(enumtype::kReLU);
  TransformerActivation(enumtype::kGELU);
  template <class F>
  requires std::is_invocable_r_v<Tensor, F&, const Tensor&> TransformerActivation(F function)
      : function_(std::move(function)) {}
  Tensor operator()(const Tensor& x) const { return function_(x); }

 private:
  AnyFunction<Tensor(const Tensor&)> function_;
};

struct TransformerEncoderLayerOptions {
  TransformerEncoderLayerOptions(int64_t d_model, int64_t nhead) : d_model_(d_model), nhead_(nhead) {}
  FULMEN_ARG(int64_t, d_model);
  FULMEN_ARG(int64_t, nhead);
  FULMEN_ARG(int64_t, dim_feedforward) = 2048;
  FULMEN_ARG(double, dropout) = 0.1;
  FULMEN_ARG(TransformerActivation, activation) = kReLU;
  FULMEN_ARG(double, layer_norm_eps) = 1e-5;
  FULMEN_ARG(bool, batch_first) = false;
  FULMEN_ARG(bool, norm_first) = false;
  /// Of the linear layers and the norms.
  FULMEN_ARG(bool, bias) = true;
};
using TransformerDecoderLayerOptions = TransformerEncoderLayerOptions;

class TransformerEncoderLayerImpl : public Cloneable<TransformerEncoderLayerImpl> {
 public:
  TransformerEncoderLayerImpl(int64_t d_model, int64_t nhead)
      : TransformerEncoderLayerImpl(TransformerEncoderLayerOptions(d_model, nhead)) {}
  explicit TransformerEncoderLayerImpl(TransformerEncoderLayerOptions options_);
  void reset() override;
  void reset_parameters();
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(const Tensor& src, const Tensor& src_mask = {}, const Tensor& src_key_padding_mask = {});

  FULMEN_FORWARD_HAS_DEFAULT_ARGS({1, AnyValue(Tensor())}, {2, AnyValue(Tensor())})

  TransformerEncoderLayerOptions options;
  MultiheadAttention self_attn = nullptr;
  Linear linear1 = nullptr;
  Dropout dropout = nullptr;
  Linear linear2 = nullptr;
  LayerNorm norm1 = nullptr, norm2 = nullptr;
  Dropout dropout1 = nullptr, dropout2 = nullptr;

 private:
  Tensor attend(const Tensor& x, const Tensor& mask, const Tensor& padding);
  Tensor feed_forward(const Tensor& x);
};
FULMEN_MODULE(TransformerEncoderLayer);

class TransformerDecoderLayerImpl : public Cloneable<TransformerDecoderLayerImpl> {
 public:
  TransformerDecoderLayerImpl(int64_t d_model, int64_t nhead)
      : TransformerDecoderLayerImpl(TransformerDecoderLayerOptions(d_model, nhead)) {}
  explicit TransformerDecoderLayerImpl(TransformerDecoderLayerOptions options_);
  void reset() override;
  void reset_parameters();
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(Tensor tgt, const Tensor& memory, const Tensor& tgt_mask = {}, const Tensor& memory_mask = {},
                 const Tensor& tgt_key_padding_mask = {}, const Tensor& memory_key_padding_mask = {});

  FULMEN_FORWARD_HAS_DEFAULT_ARGS({2, AnyValue(Tensor())}, {3, AnyValue(Tensor())}, {4, AnyValue(Tensor())},
                                  {5, AnyValue(Tensor())})

  TransformerDecoderLayerOptions options;
  MultiheadAttention self_attn = nullptr, multihead_attn = nullptr;
  Linear linear1 = nullptr;
  Dropout dropout = nullptr;
  Linear linear2 = nullptr;
  LayerNorm norm1 = nullptr, norm2 = nullptr, norm3 = nullptr;
  Dropout dropout1 = nullptr, dropout2 = nullptr, dropout3 = nullptr;

 private:
  Tensor attend(const Tensor& x, const Tensor& mask, const Tensor& padding);
  Tensor attend_memory(const Tensor& x, const Tensor& memory, const Tensor& mask, const Tensor& padding);
  Tensor feed_forward(const Tensor& x);
};
FULMEN_MODULE(TransformerDecoderLayer);

}  // namespace fulmen::nn
