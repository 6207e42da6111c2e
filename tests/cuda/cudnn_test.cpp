#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/nn/functional.h>
#include <fulmen/tensor/cuda.h>

#if !defined(FULMEN_EMULATED) && __has_include(<cudnn.h>)
#include <cudnn.h>
#include <fulmen/kernels/cuda/cudnn.h>
#include <tests/cuda/same_call.h>
#endif

#include <string_view>

using namespace fulmen;

// Convolutions by cuDNN (emulated without a GPU): that it is asked at all, with the right descriptors, and what it is
// not asked. The op table runs all its convolutions through it besides.
namespace {

/// cuDNN until the end of the scope.
class WithCudnn {
 public:
  WithCudnn() : before_(cuda::conv_backend()) { cuda::set_conv_backend(ConvBackend::cudnn); }
  ~WithCudnn() { cuda::set_conv_backend(before_); }

 private:
  ConvBackend before_;
};

/// A machine with a GPU need not have the library; the emulator does.
bool has_cudnn() {
  const WithCudnn scope;
  try {
    conv2d(ones({1, 1, 2, 2}).to(kCUDA), ones({1, 1, 1, 1}).to(kCUDA));
    return true;
  } catch (const Error& error) {
    if (std::string_view(error.what()).find("which cannot be loaded") == std::string_view::npos) throw;
    MESSAGE("skipped: ", error.what());
    return false;
  }
}

}  // namespace

TEST_SUITE("cuda") {
  TEST_CASE("the backend of convolutions can be chosen while a program runs") {
    if (!has_cudnn()) return;
    const ConvBackend before = cuda::conv_backend();
    const Tensor x = randn({2, 3, 9, 7}).to(kCUDA), w = randn({4, 3, 3, 3}).to(kCUDA), bias = randn({4}).to(kCUDA);
    Tensor results[3];
    for (auto backend : {ConvBackend::own, ConvBackend::cudnn, ConvBackend::automatic}) {
      cuda::set_conv_backend(backend);
      CHECK(cuda::conv_backend() == backend);
      results[static_cast<int>(backend)] = conv2d(x, w, bias, 2, 1).cpu();
    }
    cuda::set_conv_backend(before);
    CHECK(allclose(results[0], results[1], 1e-5, 1e-5));
    CHECK(equal(results[0], results[2]));
  }

  TEST_CASE("cuDNN computes convolutions and their gradients as the CPU does") {
    if (!has_cudnn()) return;
    const WithCudnn scope;
    for (DType dtype : {kFloat, kDouble, kHalf, kBFloat16}) {
      const auto options = TensorOptions().dtype(kDouble);
      const double tolerance = dtype == kBFloat16 ? 5e-2 : dtype == kHalf ? 1e-2 : 1e-4;
      auto same = [&](const std::vector<Tensor>& inputs, auto&& f) {
        std::vector<Tensor> here, there;
        for (const Tensor& t : inputs) {
          here.push_back(t.detach().clone().to(dtype).requires_grad_());
          there.push_back(t.detach().to(dtype).to(kCUDA).requires_grad_());
        }
        const Tensor y = f(here), z = f(there);
        CHECK(allclose(z.cpu().to(kDouble), y.to(kDouble), tolerance, tolerance));
        y.square().sum().backward();
        z.square().sum().backward();
        for (size_t i = 0; i < inputs.size(); ++i) {
          CHECK_MESSAGE(allclose(there[i].grad().cpu().to(kDouble), here[i].grad().to(kDouble), 3 * tolerance,
                                 3 * tolerance * here[i].grad().abs().max().item<double>()),
                        "input ", i, " of ", static_cast<int>(dtype));
        }
      };
      const std::vector<Tensor> line = {randn({2, 4, 11}, options), randn({6, 2, 3}, options), randn({6}, options)};
      same(line, [](auto& v) { return conv1d(v[0], v[1], v[2], 2, 1, 1, 2); });
      const std::vector<Tensor> plane = {randn({2, 4, 8, 9}, options), randn({6, 4, 3, 2}, options),
                                         randn({6}, options)};
      same(plane, [](auto& v) { return conv2d(v[0], v[1], v[2], {2, 1}, {1, 0}, {1, 2}); });
      const std::vector<Tensor> space = {randn({1, 2, 4, 5, 6}, options), randn({3, 2, 2, 3, 2}, options),
                                         randn({3}, options)};
      same(space, [](auto& v) { return conv3d(v[0], v[1], v[2], 1, {1, 1, 0}); });
      const std::vector<Tensor> back = {randn({2, 4, 5, 4}, options), randn({4, 3, 3, 3}, options),
                                        randn({3}, options)};
      same(back, [](auto& v) { return conv_transpose2d(v[0], v[1], v[2], 2, 1, 1); });
    }
  }

  TEST_CASE("a graph records convolutions by cuDNN") {
    if (!has_cudnn()) return;
    const WithCudnn scope;
    const cuda::Stream stream;
    const cuda::StreamGuard guard(stream);
    Tensor x = ones({1, 2, 4, 4}).to(kCUDA), w = ones({5, 2, 2, 2}).to(kCUDA), y;
    cuda::CUDAGraph graph;
    graph.capture_begin();
    y = conv2d(x, w);
    graph.capture_end();
    for (double factor : {2.0, 3.0}) {
      x.fill_(factor);
      graph.replay();
      CHECK(equal(y.cpu(), full({1, 5, 3, 3}, 8 * factor, y.cpu().options())));
    }
  }

  TEST_CASE("what cuDNN does not have is computed all the same") {
    if (!has_cudnn()) return;
    const WithCudnn scope;
    // Output padding beyond what a convolution of the result gives back; nothing at all.
    const Tensor x = randn({1, 2, 3, 3}), w = randn({2, 2, 2, 2});
    CHECK(allclose(conv_transpose2d(x.to(kCUDA), w.to(kCUDA), {}, 3, 0, 2).cpu(), conv_transpose2d(x, w, {}, 3, 0, 2),
                   1e-5, 1e-5));
    CHECK(conv2d(zeros({0, 2, 3, 3}).to(kCUDA), w.to(kCUDA)).sizes() == IntArrayRef({0, 2, 2, 2}));
  }
}

#if !defined(FULMEN_EMULATED) && __has_include(<cudnn.h>)
// kernels/cuda/cudnn.h against NVIDIA's header: numbers, and parameters one by one.
namespace dnn = cuda::dnn;

#define X(result, name, parameters) static_assert(same_call<decltype(dnn::Functions::name), decltype(&::name)>, #name);
FULMEN_CUDNN(X)
#undef X
#define SAME(ours, theirs) static_assert(static_cast<int64_t>(dnn::ours) == static_cast<int64_t>(theirs), #theirs)
SAME(status_success, CUDNN_STATUS_SUCCESS);
SAME(status_bad_param, CUDNN_STATUS_BAD_PARAM);
SAME(status_not_supported, CUDNN_STATUS_NOT_SUPPORTED);
SAME(status_execution_failed, CUDNN_STATUS_EXECUTION_FAILED);
SAME(type_float, CUDNN_DATA_FLOAT);
SAME(type_double, CUDNN_DATA_DOUBLE);
SAME(type_half, CUDNN_DATA_HALF);
SAME(type_bfloat16, CUDNN_DATA_BFLOAT16);
SAME(format_nchw, CUDNN_TENSOR_NCHW);
SAME(mode_cross_correlation, CUDNN_CROSS_CORRELATION);
SAME(math_default, CUDNN_DEFAULT_MATH);
SAME(math_tensor_op, CUDNN_TENSOR_OP_MATH);
SAME(math_fma, CUDNN_FMA_MATH);
SAME(non_deterministic, CUDNN_NON_DETERMINISTIC);
SAME(deterministic, CUDNN_DETERMINISTIC);
#define SAME_PERF(theirs)                                                               \
  static_assert(sizeof(dnn::AlgoPerf) == sizeof(theirs));                               \
  static_assert(offsetof(dnn::AlgoPerf, status) == offsetof(theirs, status));           \
  static_assert(offsetof(dnn::AlgoPerf, memory) == offsetof(theirs, memory));           \
  static_assert(offsetof(dnn::AlgoPerf, determinism) == offsetof(theirs, determinism)); \
  static_assert(offsetof(dnn::AlgoPerf, math) == offsetof(theirs, mathType))
SAME_PERF(cudnnConvolutionFwdAlgoPerf_t);
SAME_PERF(cudnnConvolutionBwdDataAlgoPerf_t);
SAME_PERF(cudnnConvolutionBwdFilterAlgoPerf_t);
#endif
