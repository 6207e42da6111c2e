#include <fulmen/autograd/ops/embedding.h>
#include <fulmen/autograd/ops/loss.h>
#include <fulmen/autograd/ops/matmul.h>
#include <fulmen/autograd/ops/norm.h>
#include <fulmen/autograd/ops/softmax.h>

#include "tests/conformance/case.h"

namespace conformance {

namespace {

Reduction reduction_of(const Arguments& a, size_t position = 99) {
  std::string name = a.text(position, "reduction", "mean");
  if (name == "none") return Reduction::None;
  if (name == "sum") return Reduction::Sum;
  if (name == "mean") return Reduction::Mean;
  throw NotThere{"reduction " + name};
}

void add_products(Operations& ops) {
#define PRODUCT(name) ops[#name] = one([](const Arguments& a) { return name(a.tensor(0), a.tensor(1)); })
  PRODUCT(matmul);
  PRODUCT(mm);
  PRODUCT(bmm);
  PRODUCT(mv);
  PRODUCT(dot);
  PRODUCT(outer);
#undef PRODUCT
  ops["addmm"] = one([](const Arguments& a) {
    return addmm(a.tensor(0), a.tensor(1), a.tensor(2), a.number(9, "beta", 1), a.number(9, "alpha", 1));
  });
  ops["baddbmm"] = one([](const Arguments& a) {
    return baddbmm(a.tensor(0), a.tensor(1), a.tensor(2), a.number(9, "beta", 1), a.number(9, "alpha", 1));
  });
  ops["nn.functional.linear"] =
      one([](const Arguments& a) { return linear(a.tensor(0), a.tensor(1, "weight"), a.optional_tensor(2, "bias")); });
}

void add_losses(Operations& ops) {
  ops["nn.functional.mse_loss"] =
      one([](const Arguments& a) { return mse_loss(a.tensor(0), a.tensor(1), reduction_of(a)); });
  ops["nn.functional.l1_loss"] =
      one([](const Arguments& a) { return l1_loss(a.tensor(0), a.tensor(1), reduction_of(a)); });
  ops["nn.functional.smooth_l1_loss"] = one([](const Arguments& a) {
    return smooth_l1_loss(a.tensor(0), a.tensor(1), reduction_of(a), a.number(9, "beta", 1).toDouble());
  });
  ops["nn.functional.huber_loss"] = one([](const Arguments& a) {
    return huber_loss(a.tensor(0), a.tensor(1), reduction_of(a), a.number(9, "delta", 1).toDouble());
  });
  ops["nn.functional.binary_cross_entropy"] = one([](const Arguments& a) {
    return binary_cross_entropy(a.tensor(0), a.tensor(1), a.optional_tensor(2, "weight"), reduction_of(a));
  });
  ops["nn.functional.binary_cross_entropy_with_logits"] = one([](const Arguments& a) {
    return binary_cross_entropy_with_logits(a.tensor(0), a.tensor(1), a.optional_tensor(2, "weight"),
                                            a.optional_tensor(9, "pos_weight"), reduction_of(a));
  });
  ops["nn.functional.kl_div"] = one([](const Arguments& a) {
    return kl_div(a.tensor(0), a.tensor(1), reduction_of(a), a.flag(9, "log_target", false));
  });
  ops["nn.functional.nll_loss"] = one([](const Arguments& a) {
    return nll_loss(a.tensor(0), a.tensor(1), a.optional_tensor(2, "weight"), reduction_of(a),
                    a.integer(9, "ignore_index", -100));
  });
  ops["nn.functional.cross_entropy"] = one([](const Arguments& a) {
    return cross_entropy(a.tensor(0), a.tensor(1), a.optional_tensor(2, "weight"), reduction_of(a),
                         a.integer(9, "ignore_index", -100), a.number(9, "label_smoothing", 0.0).toDouble());
  });
}

}  // namespace

void add_layers(Operations& ops) {
  add_products(ops);
  add_losses(ops);
  ops["softmax"] = one([](const Arguments& a) { return softmax(a.tensor(0), a.integer(1, "dim"), a.dtype(2)); });
  ops["log_softmax"] =
      one([](const Arguments& a) { return log_softmax(a.tensor(0), a.integer(1, "dim"), a.dtype(2)); });
  ops["nn.functional.layer_norm"] = one([](const Arguments& a) {
    return layer_norm(a.tensor(0), a.integers(1, "normalized_shape"), a.optional_tensor(2, "weight"),
                      a.optional_tensor(3, "bias"), a.number(4, "eps", 1e-5).toDouble());
  });
  ops["nn.functional.batch_norm"] = one([](const Arguments& a) {
    return batch_norm(a.tensor(0), a.optional_tensor(3, "weight"), a.optional_tensor(4, "bias"),
                      a.optional_tensor(1, "running_mean"), a.optional_tensor(2, "running_var"),
                      a.flag(5, "training", false), a.number(6, "momentum", 0.1).toDouble(),
                      a.number(7, "eps", 1e-5).toDouble());
  });
  ops["nn.functional.embedding"] = one([](const Arguments& a) {
    if (a.has(9, "max_norm")) throw NotThere{"max_norm"};
    a.number(9, "norm_type", 2.0);
    Tensor weight = a.tensor(0);                                    // the recorded operand is the weight
    int64_t padding = a.integer(2, "padding_idx", weight.size(0));  // no row by default
    if (padding < 0) padding += weight.size(0);
    return embedding(weight, a.tensor(1), padding == weight.size(0) ? -1 : padding,
                     a.flag(9, "scale_grad_by_freq", false));
  });
}

}  // namespace conformance
