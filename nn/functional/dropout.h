#pragma once
#include <fulmen/nn/options.h>
#include <fulmen/tensor/tensor.h>

namespace fulmen::nn {

/// `p`: the probability of an element to be dropped.
struct DropoutOptions {
  DropoutOptions(double p = 0.5) : p_(p) {}
  FULMEN_ARG(double, p);
  FULMEN_ARG(bool, inplace) = false;
};
using Dropout2dOptions = DropoutOptions;
using Dropout3dOptions = DropoutOptions;
using AlphaDropoutOptions = DropoutOptions;
using FeatureAlphaDropoutOptions = DropoutOptions;

namespace functional {

struct DropoutFuncOptions {
  FULMEN_ARG(double, p) = 0.5;
  FULMEN_ARG(bool, training) = true;
  FULMEN_ARG(bool, inplace) = false;
};
using Dropout2dFuncOptions = DropoutFuncOptions;
using Dropout3dFuncOptions = DropoutFuncOptions;
struct AlphaDropoutFuncOptions {
  FULMEN_ARG(double, p) = 0.5;
  FULMEN_ARG(bool, training) = false;
  FULMEN_ARG(bool, inplace) = false;
};
using FeatureAlphaDropoutFuncOptions = AlphaDropoutFuncOptions;

/// In training: zeroes elements with probability p and scales the others by 1/(1-p).
Tensor dropout(Tensor input, const DropoutFuncOptions& options = {});
/// Drops whole channels (dimension 1); input [N, C, H, W] or [C, H, W].
Tensor dropout2d(Tensor input, const Dropout2dFuncOptions& options = {});
/// Drops whole channels (dimension 1); input [N, C, D, H, W] or [C, D, H, W].
Tensor dropout3d(Tensor input, const Dropout3dFuncOptions& options = {});
/// Keeps mean and variance of SELU's outputs (Klambauer et al. 2017, "Self-Normalizing Neural Networks").
Tensor alpha_dropout(Tensor input, const AlphaDropoutFuncOptions& options = {});
Tensor feature_alpha_dropout(Tensor input, const FeatureAlphaDropoutFuncOptions& options = {});

}  // namespace functional
}  // namespace fulmen::nn
