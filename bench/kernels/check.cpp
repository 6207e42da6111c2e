#include <fulmen/bench/kernels/bench.h>
#include <fulmen/bench/kernels/ladder/launch.h>
#include <fulmen/fulmen.h>

#include <cmath>
#include <cstdio>
#include <limits>

// Every rung against the same computation in double on the CPU, at sizes around the edges of tiles. Outputs hold NaN
// before: what a kernel leaves out is not a number.
namespace kernel_bench {

using namespace fulmen;

namespace {

Tensor on_device(const Tensor& t) { return t.to(kCUDA); }
Tensor poisoned(std::vector<int64_t> sizes, ScalarType dtype) {
  return full(sizes, std::numeric_limits<double>::quiet_NaN(), TensorOptions(dtype).device(kCUDA));
}
int64_t rounded_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

/// |x - reference| / |reference|; NaN if anything is.
double distance(const Tensor& x, const Tensor& reference) {
  return ((x.cpu().to(kDouble) - reference).norm() / reference.norm()).item<double>();
}

/// Counts and prints.
class Checks {
 public:
  explicit Checks(std::string filter) : filter_(std::move(filter)) {}
  bool wants(const std::string& name) const { return name.find(filter_) != std::string::npos; }
  void add(const std::string& name, const std::string& shape, double distance, double most) {
    ++all_;
    if (distance <= most) return;
    ++failed_;
    std::printf("FAIL %s %s: relative distance %.3g, at most %.3g\n", name.c_str(), shape.c_str(), distance, most);
  }
  int finish() const {
    std::printf("%d passed, %d failed\n", all_ - failed_, failed_);
    return failed_;
  }

 private:
  std::string filter_;
  int all_ = 0, failed_ = 0;
};

// A naive sum of 5000 numbers is good to a few 1e-6.
void check_softmax(Checks& checks) {
  for (const int64_t wanted : {1, 7, 130, 1021, 5000}) {
    for (const auto* rung : ladder::softmax_rungs()) {
      const int64_t rows = 3, cols = rounded_up(wanted, rung->multiple);
      if (!checks.wants(rung->name) || cols > rung->most_cols) continue;
      const Tensor x = randn({rows, cols}) * 3, y = poisoned({rows, cols}, kFloat), there = on_device(x);
      rung->run(writable<float>(y), there.const_data_ptr<float>(), rows, cols, stream());
      const Tensor reference = softmax(x.to(kDouble), 1);
      checks.add(rung->name, std::to_string(cols), distance(y, reference), 4e-6);
      checks.add("softmax of the library", std::to_string(cols), distance(softmax(there, 1), reference), 4e-6);
    }
    for (const auto* rung : ladder::softmax_backward_rungs()) {
      const int64_t rows = 3, cols = rounded_up(wanted, rung->multiple);
      if (!checks.wants(rung->name) || cols > rung->most_cols) continue;
      const Tensor y = softmax(randn({rows, cols}), 1), gy = randn({rows, cols}), gx = poisoned({rows, cols}, kFloat);
      const Tensor y_there = on_device(y), gy_there = on_device(gy);
      rung->run(writable<float>(gx), y_there.const_data_ptr<float>(), gy_there.const_data_ptr<float>(), rows, cols,
                stream());
      const Tensor y64 = y.to(kDouble), gy64 = gy.to(kDouble);
      const Tensor reference = y64 * (gy64 - (y64 * gy64).sum(IntArrayRef({1}), true));
      if (cols > 1) checks.add(rung->name, std::to_string(cols), distance(gx, reference), 1e-5);
    }
  }
}

template <class T>
void check_products(Checks& checks, std::span<const ladder::GemmRung<T>* const> rungs, ScalarType dtype, double most) {
  const cuda::DeviceProperties properties = cuda::get_device_properties();
  const int capability = 10 * properties.major + properties.minor;
  struct Size {
    int rows, cols, depth;
  };
  for (const auto* rung : rungs) {
    if (!checks.wants(rung->name)) continue;
    if (rung->capability != 0 && rung->capability != capability) {
      std::printf("skipped %s: it is for compute capability %d, this device has %d\n", rung->name, rung->capability,
                  capability);
      continue;
    }
    for (const Size& wanted : {Size{1, 1, 1}, Size{33, 65, 31}, Size{131, 137, 71}, Size{129, 40, 200}}) {
      const int rows = wanted.rows, cols = static_cast<int>(rounded_up(wanted.cols, rung->multiple));
      const int depth = static_cast<int>(rounded_up(wanted.depth, rung->multiple));
      const Tensor a = randn({rows, depth}).to(dtype), b = randn({depth, cols}).to(dtype),
                   c = poisoned({rows, cols}, dtype);
      const Tensor a_there = on_device(a), b_there = on_device(b);
      rung->run(writable<T>(c), a_there.const_data_ptr<T>(), b_there.const_data_ptr<T>(), {rows, cols, depth},
                stream());
      const std::string shape = std::to_string(rows) + "x" + std::to_string(cols) + "x" + std::to_string(depth);
      checks.add(rung->name, shape, distance(c, mm(a.to(kDouble), b.to(kDouble))), most);
    }
  }
}

}  // namespace

int check_ladders(const std::string& filter) {
  const NoGradGuard no_grad;
  manual_seed(1);
  Checks checks(filter);
  check_softmax(checks);
  check_products<float>(checks, ladder::gemm_float_rungs(), kFloat, 1e-6);
  check_products<BFloat16>(checks, ladder::gemm_bfloat16_rungs(), kBFloat16, 4e-3);
  cuda::synchronize();
  return checks.finish();
}

}  // namespace kernel_bench
