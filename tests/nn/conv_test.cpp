#include <doctest/doctest.h>
#include <fulmen/autograd/autocast.h>
#include <fulmen/autograd/engine.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/kernels/threads.h>
#include <fulmen/nn/nn.h>
#include <fulmen/nn/type_name.h>
#include <tests/message_of.h>

#include <sstream>

using namespace fulmen;
using fulmen::testing::mentions;
using fulmen::testing::message_of;
namespace F = fulmen::nn::functional;

namespace {

/// The numbers that the figures below were recorded with.
Tensor ramp(IntArrayRef sizes) {
  int64_t n = 1;
  for (int64_t s : sizes) n *= s;
  return (arange(n, kLong).mul(7919).remainder(101).to(kDouble) / 50 - 1).view(sizes);
}

/// What PyTorch 2.15 gave: sizes, sum, sum of squares, and the first, the last and the middle element.
struct Recorded {
  std::vector<int64_t> sizes;
  double sum, squares, first, last, middle;
};
bool same(const Tensor& got, const Recorded& expected) {
  CHECK(got.sizes() == IntArrayRef(expected.sizes));
  const Tensor flat = got.detach().contiguous().view({-1});
  const Tensor figures =
      stack(std::vector<Tensor>{flat.sum(), (flat * flat).sum(), flat[0], flat[-1], flat[flat.numel() / 2]});
  const Tensor wanted =
      tensor({expected.sum, expected.squares, expected.first, expected.last, expected.middle}, kDouble);
  return figures.allclose(wanted, 1e-8, 1e-8);
}

std::string printed(const nn::Module& module) {
  const std::string prefix = nn::printed_namespace();
  nn::set_printed_namespace("");
  std::ostringstream out;
  out << module;
  nn::set_printed_namespace(prefix);
  return out.str();
}

}  // namespace

TEST_SUITE_BEGIN("nn");

TEST_CASE("convolutions give PyTorch's values") {
  const Tensor x = ramp({2, 4, 5, 6});
  CHECK(
      same(F::conv2d(x, ramp({6, 2, 3, 2}),
                     F::Conv2dFuncOptions().bias(ramp({6})).stride({2, 1}).padding({1, 2}).dilation({1, 2}).groups(2)),
           {{2, 6, 3, 8}, -80.8116, 363.3372984, -0.5464, -1.4548, -0.312}));
  CHECK(same(F::conv_transpose2d(x, ramp({4, 3, 3, 2}),
                                 F::ConvTranspose2dFuncOptions()
                                     .bias(ramp({6}))
                                     .stride({2, 3})
                                     .padding({1, 0})
                                     .output_padding({1, 2})
                                     .groups(2)
                                     .dilation({2, 1})),
             {{2, 6, 12, 19}, -807.2252, 1666.039503, -1, -0.94, -1}));
  CHECK(same(F::conv2d(x, ramp({3, 4, 2, 3}), F::Conv2dFuncOptions().padding(kSame)),
             {{2, 3, 5, 6}, -3.2272, 400.115303, -1.2068, 0.604, 1.3556}));
  CHECK(conv2d(x, ramp({3, 4, 2, 3}), {}, 1, "valid").equal(conv2d(x, ramp({3, 4, 2, 3}))));
  CHECK(conv2d(x[1], ramp({3, 4, 2, 3})).equal(conv2d(x, ramp({3, 4, 2, 3}))[1]));
}

TEST_CASE("padding modes of a convolution") {
  const Tensor x = ramp({2, 4, 5, 6});
  const auto with = [&](nn::ConvPaddingMode mode) {
    nn::Conv2d c(nn::Conv2dOptions(4, 3, 3).padding({1, 2}).padding_mode(mode));
    c->to(kDouble);
    NoGradGuard constant;
    c->weight.copy_(ramp({3, 4, 3, 3}));
    c->bias.copy_(ramp({3}));
    return c->forward(x);
  };
  CHECK(same(with(kReflect), {{2, 3, 5, 8}, -50.6588, 771.7991282, 3.058, 0.5024, -2.4244}));
  CHECK(same(with(kReplicate), {{2, 3, 5, 8}, -37.9712, 833.9203805, 0.6824, 2.4848, -2.6588}));
  CHECK(same(with(kCircular), {{2, 3, 5, 8}, -41.3284, 858.0460872, -0.0308, -1.2932, -2.8872}));
}

TEST_CASE("pooling gives PyTorch's values") {
  const Tensor x = ramp({2, 4, 5, 6});
  CHECK(same(F::max_pool2d(x, F::MaxPool2dFuncOptions(3).stride(2).padding(1).ceil_mode(true)),
             {{2, 4, 3, 4}, 64.76, 49.776, 0.7, 0.18, 0.44}));
  const auto windows = F::AvgPool2dFuncOptions({3, 4}).stride(2).padding(1).ceil_mode(true);
  CHECK(same(F::avg_pool2d(x, windows),
             {{2, 4, 3, 3}, -0.45166666666667, 0.6408805556, -0.03833333333, -0.1, 0.008333333333}));
  CHECK(same(F::avg_pool2d(x, F::AvgPool2dFuncOptions(windows).count_include_pad(false)),
             {{2, 4, 3, 3}, -0.70166666666667, 1.668137191, -0.07666666667, -0.2, 0.01666666667}));
  CHECK(same(F::lp_pool2d(x.abs(), F::LPPool2dFuncOptions(3, 2)),
             {{2, 4, 2, 3}, 47.91728573, 48.49385594, 1.105362248, 0.9028616732, 0.9542333696}));
  CHECK(same(F::adaptive_avg_pool2d(x, F::AdaptiveAvgPool2dFuncOptions({3, 4})),
             {{2, 4, 3, 4}, -0.99166666666667, 4.517736111, -0.15, -0.295, -0.225}));
  CHECK(F::adaptive_max_pool2d(x, F::AdaptiveMaxPool2dFuncOptions({std::nullopt, 1})).sizes() ==
        IntArrayRef({2, 4, 5, 1}));
  const auto [y, indices] = F::max_pool2d_with_indices(x, F::MaxPool2dFuncOptions(2));
  CHECK(same(F::max_unpool2d(y, indices, F::MaxUnpool2dFuncOptions(2).output_size(std::vector<int64_t>{5, 6})),
             {{2, 4, 5, 6}, 31.46, 23.374, 0, 0, 0.44}));
}

TEST_CASE("norms of groups, instances and neighbours give PyTorch's values") {
  const Tensor x = ramp({2, 4, 5, 6});
  CHECK(same(F::group_norm(x, F::GroupNormFuncOptions(2).weight(ramp({4})).bias(ramp({4})).eps(1e-3)),
             {{2, 4, 5, 6}, -66.45519109, 207.6742522, 0.6813177061, 0.3482231322, -1.722447036}));
  CHECK(same(F::instance_norm(x, F::InstanceNormFuncOptions().weight(ramp({4})).bias(ramp({4}))),
             {{2, 4, 5, 6}, -66, 210.6689189, 0.6672205833, 0.3638849438, -1.744356428}));
  CHECK(same(F::local_response_norm(x, F::LocalResponseNormFuncOptions(3).alpha(0.5)),
             {{2, 4, 5, 6}, -0.7482236309, 62.06314994, -0.8536254704, -0.8193145951, 0.3990974461}));
  CHECK(same(F::local_response_norm(x, F::LocalResponseNormFuncOptions(4).alpha(0.5)),
             {{2, 4, 5, 6}, 0.008750842731, 65.24065359, -0.8853991867, -0.8421021217, 0.4084763054}));
}

TEST_CASE("instance norm: derivatives, and running statistics over the samples of a batch") {
  nn::InstanceNorm1d norm(nn::InstanceNorm1dOptions(3).affine(true).track_running_stats(true));
  const Tensor x = randn({4, 3, 10}).set_requires_grad(true);
  (norm->forward(x) * randn({4, 3, 10})).sum().backward();
  CHECK(x.grad().defined());
  CHECK(norm->weight.grad().defined());
  CHECK(norm->running_mean.allclose(x.mean(IntArrayRef({0, 2})) * 0.1, 1e-4, 1e-6));
  norm->eval();
  CHECK(norm->forward(x[0]).sizes() == IntArrayRef({3, 10}));
}

TEST_CASE("interpolation gives PyTorch's values") {
  const Tensor x = ramp({2, 4, 5, 6});
  using Options = F::InterpolateFuncOptions;
  using Sizes = std::vector<int64_t>;
  using Factors = std::vector<double>;
  CHECK(
      same(F::interpolate(x, Options().scale_factor(Factors{1.7})), {{2, 4, 8, 10}, 4.06, 219.6252, -1, -0.96, 0.44}));
  CHECK(same(F::interpolate(x, Options().size(Sizes{7, 9}).mode(kNearestExact)),
             {{2, 4, 7, 9}, -4.88, 170.6152, -1, -0.96, 0.44}));
  CHECK(same(F::interpolate(x, Options().size(Sizes{8, 4}).mode(kBilinear)),
             {{2, 4, 8, 4}, -1.5046875, 28.15768252, -0.795, -0.66, 0.14}));
  CHECK(same(F::interpolate(x, Options().scale_factor(Factors{1.6, 2.3}).mode(kBilinear).align_corners(true)),
             {{2, 4, 8, 13}, -2.598571429, 99.84952687, -1, -0.96, 0.44}));
  CHECK(same(F::interpolate(x, Options().size(Sizes{8, 4}).mode(kBicubic)),
             {{2, 4, 8, 4}, -1.282828689, 45.50216428, -0.931333909, -0.7160491991, 0.2026418972}));
  CHECK(same(F::interpolate(x, Options().size(Sizes{2, 4}).mode(kArea)),
             {{2, 4, 2, 4}, 0.23666666667, 2.336544444, -0.04666666667, -0.23, 0.04666666667}));
  CHECK(same(F::pixel_shuffle(x, 2), {{2, 1, 10, 12}, -0.88, 82.2792, -1, -0.96, 0.44}));
  CHECK(F::pixel_unshuffle(F::pixel_shuffle(x, 2), 2).equal(x));
}

TEST_CASE("vision modules print as LibTorch's do") {
  CHECK(printed(*nn::Conv1d(3, 4, 5)) == "Conv1d(3, 4, kernel_size=5, stride=1)");
  CHECK(printed(
            *nn::Conv2d(nn::Conv2dOptions(4, 6, {5, 6}).stride({1, 2}).padding(1).dilation(2).groups(2).bias(false))) ==
        "Conv2d(4, 6, kernel_size=[5, 6], stride=[1, 2], padding=[1, 1], dilation=[2, 2], groups=2, bias=false)");
  CHECK(printed(*nn::Conv1d(nn::Conv1dOptions(3, 4, 5).padding(kSame).padding_mode(kReflect))) ==
        "Conv1d(3, 4, kernel_size=5, stride=1, padding='same', padding_mode=kReflect)");
  CHECK(printed(*nn::ConvTranspose2d(nn::ConvTranspose2dOptions(3, 4, 5).stride(2).output_padding(1))) ==
        "ConvTranspose2d(3, 4, kernel_size=[5, 5], stride=[2, 2], output_padding=[1, 1])");
  CHECK(printed(*nn::MaxPool2d(5)) ==
        "MaxPool2d(kernel_size=[5, 5], stride=[5, 5], padding=[0, 0], dilation=[1, 1], ceil_mode=false)");
  CHECK(printed(*nn::AvgPool1d(5)) == "AvgPool1d(kernel_size=5, stride=5, padding=0)");
  CHECK(printed(*nn::AdaptiveAvgPool2d(nn::AdaptiveAvgPool2dOptions({5, std::nullopt}))) ==
        "AdaptiveAvgPool2d(output_size=[5, None])");
  CHECK(printed(*nn::LPPool1d(2, 5)) == "LPPool1d(norm_type=2, kernel_size=5, stride=5, ceil_mode=false)");
  CHECK(printed(*nn::ReflectionPad1d(2)) == "ReflectionPad1d(padding=[2, 2])");
  CHECK(printed(*nn::ConstantPad1d(2, 3.5)) == "ConstantPad1d(padding=[2, 2], value=3.5)");
  CHECK(printed(*nn::GroupNorm(2, 4)) == "GroupNorm(2, 4, eps=1e-05, affine=true)");
  CHECK(printed(*nn::InstanceNorm2d(4)) ==
        "InstanceNorm2d(4, eps=1e-05, momentum=0.1, affine=false, track_running_stats=false)");
  CHECK(printed(*nn::Upsample(nn::UpsampleOptions().scale_factor(std::vector<double>{3}).mode(kBilinear))) ==
        "Upsample(scale_factor=[3], mode=kBilinear)");
  CHECK(printed(*nn::PixelShuffle(5)) == "PixelShuffle(upscale_factor=5)");
}

TEST_CASE("what a convolution refuses, and how it says so") {
  CHECK(mentions(message_of([] { nn::Conv2d(nn::Conv2dOptions(3, 4, 3).groups(2)); }),
                 "in_channels must be divisible by groups"));
  CHECK(mentions(message_of([] { nn::Conv2d(nn::Conv2dOptions(3, 4, 3).groups(3)); }),
                 "out_channels must be divisible by groups"));
  CHECK(mentions(message_of([] { nn::Conv1d(nn::Conv1dOptions(3, 4, 3).padding(kSame).stride(2)); }),
                 "padding='same' is not supported for strided convolutions"));
  CHECK(mentions(message_of([] {
                   conv2d(ones({1, 3, 4, 4}), ones({2, 3, 3, 3}), {}, 1, "full");
                 }),
                 "Invalid padding string: 'full'"));
  CHECK(mentions(message_of([] {
                   conv2d(ones({1, 3, 4, 4}), ones({2, 3, 3, 3}, kDouble));
                 }),
                 "should be the same: the input is"));
  CHECK(mentions(message_of([] {
                   conv_transpose1d(ones({1, 3, 4}), ones({3, 2, 3}), {}, 1, 0, 1);
                 }),
                 "output padding must be smaller than either stride or dilation"));
  CHECK(mentions(message_of([] {
                   pad(ones({1, 3, 4}), {4, 0}, "reflect");
                 }),
                 "Padding size should be less than the corresponding input dimension"));
}

TEST_CASE("a transposed convolution takes the size that it is asked for") {
  nn::Conv2d down(nn::Conv2dOptions(3, 5, 3).stride(2).padding(1));
  nn::ConvTranspose2d up(nn::ConvTranspose2dOptions(5, 3, 3).stride(2).padding(1));
  const Tensor x = randn({2, 3, 12, 11}), y = down->forward(x);
  CHECK(up->forward(y, IntArrayRef({12, 11})).sizes() == x.sizes());
  CHECK(up->forward(y, x.sizes()).sizes() == x.sizes());
  CHECK(up->forward(y).sizes() == IntArrayRef({2, 3, 11, 11}));
  CHECK(mentions(message_of([&] { up->forward(y, IntArrayRef({14, 11})); }), "requested an output size of [14, 11]"));
  nn::Sequential both(down, nn::ReLU(), up);
  CHECK(both->forward(x).sizes() == IntArrayRef({2, 3, 11, 11}));
}

TEST_CASE("convolutions give the same bits with any number of threads") {
  const int before = get_num_threads();
  for (auto [channels, outputs, size, groups] :
       {std::tuple{16, 32, 28, 1}, {1, 6, 61, 1}, {24, 24, 17, 24}, {64, 70, 7, 1}}) {
    manual_seed(3);
    const Tensor x = randn({3, channels, size, size}).set_requires_grad(true);
    const Tensor w = randn({outputs, channels / groups, 3, 3}).set_requires_grad(true);
    std::vector<Tensor> first;
    for (int threads : {1, 2, 3, 5}) {
      set_num_threads(threads);
      const Tensor y = conv2d(x, w, {}, 2, 1, 1, groups);
      const auto g = autograd::grad({(y * y).sum()}, {x, w});
      if (first.empty()) first = {y, g[0], g[1]};
      CHECK(y.equal(first[0]));
      CHECK(g[0].equal(first[1]));
      CHECK(g[1].equal(first[2]));
    }
  }
  set_num_threads(before);
}

TEST_CASE("convolutions under autocast") {
  nn::Conv2d c(3, 4, 3);
  const Tensor x = randn({2, 3, 6, 6});
  const Autocast mixed(kCPU);
  const Tensor y = c->forward(x);
  CHECK(y.scalar_type() == kBFloat16);
  y.to(kFloat).sum().backward();
  CHECK(c->weight.grad().scalar_type() == kFloat);
}

TEST_SUITE_END();
