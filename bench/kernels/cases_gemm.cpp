#include <fulmen/bench/kernels/peers.h>
#include <fulmen/fulmen.h>

#include <cstdio>

// Square products of every type that has kernels of its own, beside cuBLASLt's.
namespace kernel_bench {

using namespace fulmen;

namespace {

constexpr ProductKind kinds[] = {{"float32", kFloat, false, Ceiling::float32},
                                 {"tf32", kFloat, true, Ceiling::tf32},
                                 {"bfloat16", kBFloat16, false, Ceiling::half},
                                 {"float16", kHalf, false, Ceiling::half}};

/// mm by the backend, with the program's settings as they were afterwards.
Tensor product(const Tensor& a, const Tensor& b, GemmBackend backend, bool tf32) {
  struct Settings {
    GemmBackend backend = cuda::gemm_backend();
    bool tf32 = globalContext().allowTF32CuBLAS();
    ~Settings() {
      cuda::set_gemm_backend(backend);
      globalContext().setAllowTF32CuBLAS(tf32);
    }
  } before;
  cuda::set_gemm_backend(backend);
  globalContext().setAllowTF32CuBLAS(tf32);
  return mm(a, b);
}

Prepare product_by(GemmBackend backend, int64_t n, const ProductKind& kind) {
  return [=]() -> Run {
    const TensorOptions options = TensorOptions(kind.dtype).device(kCUDA);
    const Tensor a = randn({n, n}, options), b = randn({n, n}, options);
    return [=] { return product(a, b, backend, kind.tf32); };
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
  return cases;
}

}  // namespace kernel_bench
