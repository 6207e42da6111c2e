#include <fulmen/bench/kernels/bench.h>
#include <fulmen/bench/kernels/ladder/launch.h>
#include <fulmen/fulmen.h>

// The rungs of the ladders beside the kernels that the library ships, at the same sizes.
namespace kernel_bench {

using namespace fulmen;

namespace {

TensorOptions on_device(ScalarType dtype) { return TensorOptions(dtype).device(kCUDA); }

void add_softmax(std::vector<Case>& cases, const Scale& scale) {
  const int64_t rows = scale(16384), cols = scale(4096);
  const double bytes = 4.0 * static_cast<double>(rows * cols);
  const std::string shape = std::to_string(rows) + "x" + std::to_string(cols) + " float32";
  for (const ladder::SoftmaxRung* rung : ladder::softmax_rungs()) {
    Case one{rung->name, shape, 2 * bytes, 0, Ceiling::copy, [=]() -> Run {
               const Tensor x = randn({rows, cols}, on_device(kFloat)), y = empty({rows, cols}, on_device(kFloat));
               return [=] {
                 rung->run(writable<float>(y), x.const_data_ptr<float>(), rows, cols, stream());
                 return y;
               };
             }};
    one.idea = rung->idea;
    cases.push_back(std::move(one));
  }
  for (const ladder::SoftmaxBackwardRung* rung : ladder::softmax_backward_rungs()) {
    Case one{rung->name, shape, 3 * bytes, 0, Ceiling::copy, [=]() -> Run {
               const Tensor y = softmax(randn({rows, cols}, on_device(kFloat)), 1);
               const Tensor gy = randn({rows, cols}, on_device(kFloat)), gx = empty({rows, cols}, on_device(kFloat));
               return [=] {
                 rung->run(writable<float>(gx), y.const_data_ptr<float>(), gy.const_data_ptr<float>(), rows, cols,
                           stream());
                 return gx;
               };
             }};
    one.idea = rung->idea;
    cases.push_back(std::move(one));
  }
}

template <class T>
void add_products(std::vector<Case>& cases, std::span<const ladder::GemmRung<T>* const> rungs, const Scale& scale,
                  std::initializer_list<int> sizes, ScalarType dtype, Ceiling ceiling) {
  for (const ladder::GemmRung<T>* rung : rungs) {
    for (const int size : sizes) {
      const int n = scale.quick ? 32 : size;
      const double square = static_cast<double>(n) * n;
      Case one{rung->name, std::to_string(n), 3 * square * sizeof(T), 2 * square * n, ceiling, [=]() -> Run {
                 const Tensor a = randn({n, n}, on_device(dtype)), b = randn({n, n}, on_device(dtype));
                 const Tensor c = empty({n, n}, on_device(dtype));
                 return [=] {
                   rung->run(writable<T>(c), a.const_data_ptr<T>(), b.const_data_ptr<T>(), {n, n, n}, stream());
                   return c;
                 };
               }};
      one.idea = rung->idea;
      cases.push_back(std::move(one));
    }
  }
}

/// Whether this device runs the rung; without a device, so that it can be listed.
bool runs_here(int capability) {
  if (capability == 0 || !cuda::is_available()) return true;
  const cuda::DeviceProperties properties = cuda::get_device_properties();
  return 10 * properties.major + properties.minor == capability;
}

}  // namespace

std::vector<Case> ladder_cases(const Scale& scale) {
  std::vector<Case> cases;
  add_softmax(cases, scale);
  const auto floats = ladder::gemm_float_rungs();
  add_products<float>(cases, floats.first(2), scale, {2048}, kFloat, Ceiling::float32);  // slow enough
  add_products<float>(cases, floats.subspan(2), scale, {2048, 4096}, kFloat, Ceiling::float32);
  for (const auto* rung : ladder::gemm_bfloat16_rungs()) {
    if (!runs_here(rung->capability)) continue;
    add_products<BFloat16>(cases, {&rung, 1}, scale, {4096, 8192}, kBFloat16, Ceiling::half);
  }
  return cases;
}

}  // namespace kernel_bench
