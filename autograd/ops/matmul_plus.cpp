#include <fulmen/autograd/autocast.h>
#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops/activation.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/comparison.h>
#include <fulmen/autograd/ops/gemm_launch.h>
#include <fulmen/autograd/ops/indexing.h>
#include <fulmen/autograd/ops/matmul.h>
#include <fulmen/autograd/ops/shapes.h>

namespace fulmen {

using namespace autograd;

namespace {

// y = activation(beta input + alpha a b)
struct ProductPlus {
  Scalar beta = 1, alpha = 1;
  GemmActivation activation = GemmActivation::none;
  Output compute(Forward& f, const char* op, const Input& input, const Input& a, const Input& b) const {
    check_operands(op, a, b);
    check_operands(op, input, a);
    int64_t n = a.dim();
    if (a.size(n - 1) != b.size(n - 2))
      fail_shapes(op, a, b, a.size(n - 2), a.size(n - 1), b.size(n - 2), b.size(n - 1));
    Shape sizes = a.sizes();
    sizes[sizes.size() - 1] = b.size(n - 1);
    FULMEN_CHECK(broadcast_shapes(input.sizes(), sizes) == IntArrayRef(sizes), op, ": The expanded size of the tensor ",
                 IntArrayRef(sizes), " must match the existing size: input ", input, " does not broadcast to ",
                 IntArrayRef(sizes));
    Output y = f.empty(sizes, a.scalar_type(), a.device());
    bool add = beta.toDouble() != 0;
    launch_gemm(f, y, a, false, b, false, add ? static_cast<const Tensor&>(input) : Tensor(),
                {alpha.toDouble(), beta.toDouble(), activation});
    return y;
  }
  Output forward(Forward& f, const char* op, const Input& input, const Input& a, const Input& b) const {
    f.save(a, b);
    return compute(f, op, input, a, b);
  }
  // input' = beta gy; a' = alpha gy b^T; b' = alpha a^T gy
  Grads<3> backward(const Saved& s, const Tensor& gy) const {
    Tensor scaled = alpha.equal(1) || !(s.needs(1) || s.needs(2)) ? gy : gy * alpha;
    return {!s.needs(0)     ? Tensor()
            : beta.equal(1) ? gy
                            : gy * beta,
            s.needs(1) ? product(scaled, false, s[1], true) : Tensor(),
            s.needs(2) ? product(s[0], true, scaled, false) : Tensor()};
  }
};
struct Addmm : ProductPlus {
  static constexpr auto name = "addmm";
  Output forward(Forward& f, const Input& input, const Input& a, const Input& b) const {
    return ProductPlus::forward(f, name, input, a, b);
  }
};
struct Baddbmm : ProductPlus {
  static constexpr auto name = "baddbmm";
  Output forward(Forward& f, const Input& input, const Input& a, const Input& b) const {
    return ProductPlus::forward(f, name, input, a, b);
  }
};

// y = relu(beta input + alpha a b): only what passed has a gradient, and y tells
struct AddmmRelu : ProductPlus {
  static constexpr auto name = "addmm_relu";
  Output forward(Forward& f, const Input& input, const Input& a, const Input& b) const {
    Output y = compute(f, name, input, a, b);
    f.save(a, b, y);
    return y;
  }
  Grads<3> backward(const Saved& s, const Tensor& gy) const {
    return ProductPlus::backward(s, gy.masked_fill(s[2].detach().le(0), 0));
  }
};
// y = gelu(beta input + alpha a b), where nothing is recorded: a derivative needs what gelu was applied to
struct AddmmGelu : ProductPlus {
  static constexpr auto name = "addmm_gelu";
  static constexpr bool differentiable = false;
  Output forward(Forward& f, const Input& input, const Input& a, const Input& b) const {
    return compute(f, name, input, a, b);
  }
};

}  // namespace

Tensor addmm(const Tensor& input, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {
  if (autocast::applies(autocast::products, a))
    return autocast::recast(autocast::products, addmm, input, a, b, beta, alpha);
  FULMEN_CHECK(a.dim() == 2, "addmm: mat1 must be a matrix, got ", a.dim(), "-D tensor");
  FULMEN_CHECK(b.dim() == 2, "addmm: mat2 must be a matrix, got ", b.dim(), "-D tensor");
  return apply(Addmm{{beta, alpha}}, input, a, b);
}
Tensor _addmm_activation(const Tensor& input, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha,
                         bool use_gelu, std::string_view approximate) {
  if (autocast::applies(autocast::products, a))
    return autocast::recast(autocast::products, _addmm_activation, input, a, b, beta, alpha, use_gelu, approximate);
  FULMEN_CHECK(a.dim() == 2 && b.dim() == 2, "_addmm_activation: mat1 and mat2 must be matrices, got ", a, " and ", b);
  FULMEN_CHECK(is_floating_point(a.scalar_type()), "_addmm_activation: expected floating-point tensors, got ", a);
  FULMEN_CHECK(approximate == "none" || approximate == "tanh",
               "_addmm_activation: approximate argument must be either none or tanh, got '", approximate, "'");
  if (!use_gelu) return apply(AddmmRelu{{beta, alpha, GemmActivation::relu}}, input, a, b);
  if (GradMode::is_enabled() && (input.requires_grad() || a.requires_grad() || b.requires_grad())) {
    return gelu(addmm(input, a, b, beta, alpha), approximate);
  }
  const auto activation = approximate == "tanh" ? GemmActivation::gelu_tanh : GemmActivation::gelu;
  return apply(AddmmGelu{{beta, alpha, activation}}, input, a, b);
}
Tensor baddbmm(const Tensor& input, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {
  if (autocast::applies(autocast::products, a))
    return autocast::recast(autocast::products, baddbmm, input, a, b, beta, alpha);
  check_batches("baddbmm", a, b);
  return apply(Baddbmm{{beta, alpha}}, input, a, b);
}

Tensor Tensor::addmm(const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) const {
  return fulmen::addmm(*this, a, b, beta, alpha);
}

}  // namespace fulmen
