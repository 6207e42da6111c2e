#include <fulmen/bench/kernels/peers.h>
#include <fulmen/fulmen.h>

#include <cstdio>

// Square products of every type that has kernels of its own, and a linear layer, beside the same by cuBLASLt.
namespace kernel_bench {

using namespace fulmen;

namespace {

constexpr ProductKind kinds[] = {{"float32", kFloat, false, Ceiling::float32},
                                 {"tf32", kFloat, true, Ceiling::tf32},
                                 {"bfloat16", kBFloat16, false, Ceiling::half},
                                 {"float16", kHalf, false, Ceiling::half}};

/// Who multiplies, until the end of the scope.
class Settings {
 public:
  Settings(GemmBackend backend, bool tf32) {
    cuda::set_gemm_backend(backend);
    globalContext().setAllowTF32CuBLAS(tf32);
  }
  ~Settings() {
    cuda::set_gemm_backend(backend_);
    globalContext().setAllowTF32CuBLAS(tf32_);
  }
  Settings(const Settings&) = delete;

 private:
  GemmBackend backend_ = cuda::gemm_backend();
  bool tf32_ = globalContext().allowTF32CuBLAS();
};

Tensor product(const Tensor& a, const Tensor& b, GemmBackend backend, bool tf32) {
  const Settings settings(backend, tf32);
  return mm(a, b);
}

Prepare product_by(GemmBackend backend, int64_t n, const ProductKind& kind) {
  return [=]() -> Run {
    const TensorOptions options = TensorOptions(kind.dtype).device(kCUDA);
    const Tensor a = randn({n, n}, options), b = randn({n, n}, options);
    return [=] { return product(a, b, backend, kind.tf32); };
  };
}

/// y = x weight^T + bias, or the three gradients of it.
struct Linear {
  int64_t rows, in, out;
  ScalarType dtype;
  bool backward;
};
Prepare linear_by(GemmBackend backend, const Linear& l) {
  return [=]() -> Run {
    const AutoGradMode recording(l.backward);
    const Settings settings(backend, false);
    const TensorOptions options = TensorOptions(l.dtype).device(kCUDA);
    const Tensor x = randn({l.rows, l.in}, options).requires_grad_(l.backward);
    const Tensor weight = randn({l.out, l.in}, options).requires_grad_(l.backward);
    const Tensor bias = randn({l.out}, options).requires_grad_(l.backward);
    if (!l.backward) {
      return [=] {
        const Settings settings(backend, false);
        return linear(x, weight, bias);
      };
    }
    const Tensor y = linear(x, weight, bias), gy = randn({l.rows, l.out}, options);
    return [=] {
      const Settings settings(backend, false);
      return autograd::grad({y}, {x, weight, bias}, {gy}, true)[0];
    };
  };
}

bool has_cublas() {
  static const bool has = [] {
    if (!cuda::is_available()) return false;
    try {
      const Tensor one = ones({8, 8}, TensorOptions(kFloat).device(kCUDA));
      product(one, one, GemmBackend::cublas, false);
      return true;
    } catch (const Error& e) {
      std::printf("cuBLASLt is left out: %s\n", e.msg().c_str());
      return false;
    }
  }();
  return has;
}

Case product_case(const std::string& name, int64_t n, const ProductKind& kind, Prepare operands) {
  const double square = static_cast<double>(n) * static_cast<double>(n);
  return {name,
          std::to_string(n),
          3 * square * static_cast<double>(element_size(kind.dtype)),
          2 * square * static_cast<double>(n),
          kind.ceiling,
          std::move(operands)};
}

}  // namespace

Prepare own_product(int64_t n, const ProductKind& kind) { return product_by(GemmBackend::own, n, kind); }
Prepare cublas_product(int64_t n, const ProductKind& kind) {
  return has_cublas() ? product_by(GemmBackend::cublas, n, kind) : Prepare();
}

std::vector<Case> product_ceilings(const Scale& scale) {
  std::vector<Case> cases;
  const int64_t n = scale.quick ? 64 : 8192;
  for (const ProductKind& kind : kinds) {
    if (kind.dtype == kHalf) continue;  // as bfloat16
    if (Prepare operands = cublas_product(n, kind)) {
      cases.push_back(product_case(std::string("ceiling/") + name_of(kind.ceiling), n, kind, std::move(operands)));
    }
  }
  return cases;
}

std::vector<Case> gemm_cases(const Scale& scale) {
  std::vector<Case> cases;
  for (const ProductKind& kind : kinds) {
    for (const int64_t size : {2048, 4096, 8192}) {
      const int64_t n = scale.quick ? size / 128 : size;
      cases.push_back(product_case(std::string("gemm/") + kind.name, n, kind, own_product(n, kind)));
      cases.back().peer = "cuBLASLt";
      cases.back().peer_operands = cublas_product(n, kind);
    }
  }
  for (const bool backward : {false, true}) {
    const Linear l{scale(8192), scale(4096), scale(4096), kBFloat16, backward};
    const double in = static_cast<double>(l.rows * l.in), out = static_cast<double>(l.rows * l.out);
    const double flops = 2 * in * static_cast<double>(l.out) * (backward ? 2 : 1);
    const std::string shape = std::to_string(l.rows) + "x" + std::to_string(l.in) + "x" + std::to_string(l.out);
    cases.push_back({backward ? "linear/backward" : "linear/forward", shape + " bfloat16",
                     2 * (in + out + static_cast<double>(l.in * l.out)), flops, Ceiling::half,
                     linear_by(GemmBackend::own, l), "cuBLASLt",
                     has_cublas() ? linear_by(GemmBackend::cublas, l) : Prepare()});
  }
  for (const int64_t rows : {1, 8}) {  // a layer applied to few samples: as fast as its weight can be read
    const Linear l{rows, scale(8192), scale(8192), kBFloat16, false};
    const double weight = static_cast<double>(l.in * l.out);
    cases.push_back({"linear/few",
                     std::to_string(rows) + "x" + std::to_string(l.in) + "x" + std::to_string(l.out) + " bfloat16",
                     2 * weight, 2 * weight * static_cast<double>(rows), Ceiling::half, linear_by(GemmBackend::own, l),
                     "cuBLASLt", has_cublas() ? linear_by(GemmBackend::cublas, l) : Prepare()});
  }
  return cases;
}

}  // namespace kernel_bench
