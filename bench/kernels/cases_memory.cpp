#include <fulmen/bench/kernels/peers.h>
#include <fulmen/fulmen.h>

// The kernels that memory limits: their least traffic, counted in bytes, against a plain copy or a read-only sum.
namespace kernel_bench {

using namespace fulmen;

namespace {

TensorOptions on_device(ScalarType dtype) { return TensorOptions(dtype).device(kCUDA); }
Tensor numbers(std::vector<int64_t> sizes, ScalarType dtype = kFloat) { return randn(sizes, on_device(dtype)); }

std::string shape_of(int64_t rows, int64_t cols, const char* dtype) {
  return std::to_string(rows) + "x" + std::to_string(cols) + " " + dtype;
}

/// An operation on one tensor of the sizes given, without its derivative.
template <class F>
Prepare forward_of(std::vector<int64_t> sizes, ScalarType dtype, F op) {
  return [=]() -> Run {
    const Tensor x = numbers(sizes, dtype);
    return [=] { return op(x); };
  };
}
/// Its derivative alone: the forward pass is taken once, before.
template <class F>
Prepare backward_of(std::vector<int64_t> sizes, ScalarType dtype, F op) {
  return [=]() -> Run {
    const AutoGradMode recording(true);
    const Tensor x = numbers(sizes, dtype).requires_grad_(true), y = op(x), gy = numbers(y.sizes().vec(), dtype);
    return [=] { return autograd::grad({y}, {x}, {gy}, true)[0]; };
  };
}

void add_elementwise(std::vector<Case>& cases, const Scale& scale) {
  const int64_t n = scale.quick ? 1000 : 64 << 20;
  const double bytes = 4.0 * static_cast<double>(n);
  const std::string shape = std::to_string(n) + " float32";
  auto two = [n](auto op) -> Prepare {
    return [=]() -> Run {
      const Tensor a = numbers({n}), b = numbers({n});
      return [=] { return op(a, b); };
    };
  };
  cases.push_back({"copy/contiguous", shape, 2 * bytes, 0, Ceiling::copy,
                   forward_of({n}, kFloat, [](const Tensor& x) { return clone(x); })});
  const int64_t side = scale(8192);
  cases.push_back({"copy/transposed", shape_of(side, side, "float32"), 8.0 * static_cast<double>(side * side), 0,
                   Ceiling::copy, forward_of({side, side}, kFloat, [](const Tensor& x) { return contiguous(x.t()); })});
  cases.push_back({"cast/float32 to bfloat16", shape, 1.5 * bytes, 0, Ceiling::copy,
                   forward_of({n}, kFloat, [](const Tensor& x) { return x.to(kBFloat16); })});
  cases.push_back({"cast/bfloat16 to float32", std::to_string(n) + " bfloat16", 1.5 * bytes, 0, Ceiling::copy,
                   forward_of({n}, kBFloat16, [](const Tensor& x) { return x.to(kFloat); })});
  cases.push_back({"elementwise/add", shape, 3 * bytes, 0, Ceiling::copy,
                   two([](const Tensor& a, const Tensor& b) { return add(a, b); })});
  cases.push_back({"elementwise/addcmul", shape, 3 * bytes, 0, Ceiling::copy,
                   two([](const Tensor& a, const Tensor& b) { return addcmul(a, a, b, 0.5); })});
  cases.push_back({"elementwise/add of a row", shape_of(side, side, "float32"), 8.0 * static_cast<double>(side * side),
                   0, Ceiling::copy, [side]() -> Run {
                     const Tensor x = numbers({side, side}), row = numbers({side});
                     return [=] { return add(x, row); };
                   }});
  cases.push_back({"relu/forward", shape, 2 * bytes, 0, Ceiling::copy,
                   forward_of({n}, kFloat, [](const Tensor& x) { return relu(x); })});
  cases.push_back({"gelu/forward", shape, 2 * bytes, 0, Ceiling::copy,
                   forward_of({n}, kFloat, [](const Tensor& x) { return gelu(x); })});
  cases.push_back({"gelu/backward", shape, 3 * bytes, 0, Ceiling::copy,
                   backward_of({n}, kFloat, [](const Tensor& x) { return gelu(x); })});
  cases.push_back({"dropout/forward", shape, 2 * bytes, 0, Ceiling::copy,
                   forward_of({n}, kFloat, [](const Tensor& x) { return dropout(x, 0.1, true); })});
}

void add_reductions(std::vector<Case>& cases, const Scale& scale) {
  const int64_t rows = scale(16384), cols = scale(4096);
  const double bytes = 4.0 * static_cast<double>(rows * cols);
  const std::string shape = shape_of(rows, cols, "float32");
  auto add_sum = [&](const char* name, auto op) {
    cases.push_back({name, shape, bytes, 0, Ceiling::read, forward_of({rows, cols}, kFloat, op)});
  };
  add_sum("sum/all", [](const Tensor& x) { return sum(x); });
  add_sum("sum/rows", [](const Tensor& x) { return sum(x, IntArrayRef({1})); });
  add_sum("sum/columns", [](const Tensor& x) { return sum(x, IntArrayRef({0})); });
}

void add_softmax(std::vector<Case>& cases, const Scale& scale) {
  auto plain = [](const Tensor& x) { return softmax(x, 1); };
  auto log = [](const Tensor& x) { return log_softmax(x, 1); };
  struct Shape {
    int64_t rows, cols;
    ScalarType dtype;
  };
  for (const Shape& s : {Shape{262144, 128, kFloat}, Shape{16384, 4096, kFloat}, Shape{16384, 4096, kBFloat16},
                         Shape{2048, 32768, kFloat}, Shape{1024, 131072, kFloat}}) {
    const int64_t rows = scale(s.rows), cols = scale(s.cols);
    const double bytes = static_cast<double>(rows * cols * element_size(s.dtype));
    const std::string shape = shape_of(rows, cols, s.dtype == kFloat ? "float32" : "bfloat16");
    for (const bool is_log : {false, true}) {
      if (is_log && s.cols != 4096) continue;
      const std::string name = is_log ? "log_softmax/" : "softmax/";
      const std::vector<int64_t> sizes = {rows, cols};
      auto add = [&](const char* direction, double tensors, const Prepare& operands, bool backward) {
        cases.push_back({name + direction, shape, tensors * bytes, 0, Ceiling::copy, operands, "cuDNN",
                         cudnn_softmax({rows, cols, s.dtype, is_log, backward})});
      };
      add("forward", 2, is_log ? forward_of(sizes, s.dtype, log) : forward_of(sizes, s.dtype, plain), false);
      add("backward", 3, is_log ? backward_of(sizes, s.dtype, log) : backward_of(sizes, s.dtype, plain), true);
    }
  }
}

void add_layer_norm(std::vector<Case>& cases, const Scale& scale) {
  struct Shape {
    int64_t rows, cols;
    ScalarType dtype;
  };
  for (const Shape& s : {Shape{65536, 1024, kFloat}, Shape{16384, 4096, kFloat}, Shape{16384, 4096, kBFloat16},
                         Shape{4096, 16384, kFloat}}) {
    const int64_t rows = scale(s.rows), cols = scale(s.cols);
    const double bytes = static_cast<double>(rows * cols * element_size(s.dtype));
    const std::string shape = shape_of(rows, cols, s.dtype == kFloat ? "float32" : "bfloat16");
    const ScalarType dtype = s.dtype;
    cases.push_back({"layer_norm/forward", shape, 2 * bytes, 0, Ceiling::copy, [=]() -> Run {
                       const Tensor x = numbers({rows, cols}, dtype), weight = numbers({cols}, dtype);
                       const Tensor bias = numbers({cols}, dtype);
                       return [=] { return layer_norm(x, {cols}, weight, bias); };
                     }});
    cases.push_back({"layer_norm/backward", shape, 3 * bytes, 0, Ceiling::copy, [=]() -> Run {
                       const AutoGradMode recording(true);
                       const Tensor x = numbers({rows, cols}, dtype).requires_grad_(true);
                       const Tensor weight = numbers({cols}, dtype).requires_grad_(true);
                       const Tensor bias = numbers({cols}, dtype).requires_grad_(true);
                       const Tensor y = layer_norm(x, {cols}, weight, bias), gy = numbers({rows, cols}, dtype);
                       return [=] { return autograd::grad({y}, {x, weight, bias}, {gy}, true)[0]; };
                     }});
  }
}

}  // namespace

std::vector<Case> memory_cases(const Scale& scale) {
  std::vector<Case> cases;
  add_elementwise(cases, scale);
  add_reductions(cases, scale);
  add_softmax(cases, scale);
  add_layer_norm(cases, scale);
  return cases;
}

}  // namespace kernel_bench
