#pragma once
// LibTorch programs build against Fulmen by putting this directory on their include path:
//   g++ -std=c++20 program.cpp -I<prefix>/include/fulmen/compat -I<prefix>/include -lfulmen
//
// Programs reopen `namespace torch`, which a namespace alias forbids, so the name itself is mapped; `at`, `c10` and
// `caffe2` are namespaces of their own, because at::tensor(1) and torch::tensor(1) differ. Fulmen's own headers do not
// need any of this.
#include <fulmen/autograd/anomaly.h>
#include <fulmen/autograd/engine.h>
#include <fulmen/autograd/function.h>
#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ivalue.h>
#include <fulmen/autograd/meta.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/data/batch_transforms.h>
#include <fulmen/data/data_loader.h>
#include <fulmen/data/datasets.h>
#include <fulmen/data/samplers.h>
#include <fulmen/nn/nn.h>
#include <fulmen/nn/type_name.h>
#include <fulmen/optim/optim.h>
#include <fulmen/tensor/context.h>
#include <fulmen/tensor/cuda.h>
#include <fulmen/tensor/threads.h>
#include <fulmen/tensor/warning.h>

// LibTorch's header brings these along, and programs rely on it.
#include <algorithm>
#include <cmath>
#include <functional>
#include <iostream>
#include <map>
#include <sstream>
#include <unordered_map>

#define torch fulmen

#include <torch/c10.h>
#include <torch/macros.h>

namespace fulmen {

using std::nullopt;
using std::optional;
using Dtype = ScalarType;
using at::scalarTypeToTypeMeta;
using at::typeMetaToScalarType;

namespace detail {
// Modules print as LibTorch's do: "torch::nn::Linear(in_features=...)".
inline const bool prints_as_torch = (nn::set_printed_namespace("torch::nn::"), true);
}  // namespace detail

}  // namespace fulmen
