#include <fulmen/autograd/autocast.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/matmul.h>
#include <fulmen/nn/functional/linear.h>

namespace fulmen::nn::functional {

Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias) {
  return fulmen::linear(input, weight, bias);
}

// For every row: y_k = sum_ij x1_i W_kij x2_j, as one product with W laid out [in1, out * in2], then one over j.
Tensor bilinear(const Tensor& input1, const Tensor& input2, const Tensor& weight, const Tensor& bias) {
  if (autocast::applies(autocast::promoted, input1))
    return autocast::recast(autocast::promoted, bilinear, input1, input2, weight, bias);
  FULMEN_CHECK(weight.dim() == 3, "bilinear: weight must be [out, in1, in2]; got ", weight);
  const int64_t out = weight.size(0), in1 = weight.size(1), in2 = weight.size(2);
  FULMEN_CHECK(input1.dim() == input2.dim() && input1.dim() > 0 && input1.size(-1) == in1 && input2.size(-1) == in2,
               "bilinear: inputs must be [*, ", in1, "] and [*, ", in2, "]; got ", input1, " and ", input2);
  const Tensor x1 = input1.reshape({-1, in1}), x2 = input2.reshape({-1, in2});  // [rows, in1], [rows, in2]
  FULMEN_CHECK(x1.size(0) == x2.size(0), "bilinear: inputs have different leading dimensions: ", input1, " and ",
               input2);
  const Tensor product = x1.matmul(weight.permute({1, 0, 2}).reshape({in1, out * in2}));
  Tensor y = product.reshape({-1, out, in2}).matmul(x2.unsqueeze(2)).squeeze(2);  // [rows, out]
  if (bias.defined()) y = y + bias;
  std::vector<int64_t> sizes = input1.sizes().vec();
  sizes.back() = out;
  return y.reshape(sizes);
}

}  // namespace fulmen::nn::functional
