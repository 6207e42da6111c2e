#include <fulmen/bench/kernels/bench.h>
#include <fulmen/fulmen.h>

// Square products of every type that has kernels of its own, and the layouts of a linear layer.
namespace kernel_bench {

using namespace fulmen;

namespace {

struct Kind {
  const char* name;
  ScalarType dtype;
  Ceiling ceiling;
};
constexpr Kind kinds[] = {
    {"float32", kFloat, Ceiling::float32}, {"bfloat16", kBFloat16, Ceiling::half}, {"float16", kHalf, Ceiling::half}};

Prepare product(int64_t n, ScalarType dtype) {
  return [=]() -> Run {
    const TensorOptions options = TensorOptions(dtype).device(kCUDA);
    const Tensor a = randn({n, n}, options), b = randn({n, n}, options);
    return [=] { return mm(a, b); };
  };
}

}  // namespace

std::vector<Case> gemm_cases(const Scale& scale) {
  std::vector<Case> cases;
  for (const Kind& kind : kinds) {
    for (const int64_t size : {2048, 4096, 8192}) {
      const int64_t n = scale.quick ? size / 128 : size;
      const double cube = static_cast<double>(n * n) * static_cast<double>(n);
      cases.push_back({std::string("gemm/") + kind.name, std::to_string(n),
                       3.0 * static_cast<double>(n * n * element_size(kind.dtype)), 2 * cube, kind.ceiling,
                       product(n, kind.dtype)});
    }
  }
  return cases;
}

}  // namespace kernel_bench
