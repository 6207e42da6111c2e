// Convolutions of many images with small planes, which kernels take side by side: as each image by itself.
#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/nn/nn.h>

using namespace fulmen;
namespace F = fulmen::nn::functional;

namespace {

struct Case {
  int64_t images, channels, depth, height, width, outputs, kernel, stride, padding, dilation, groups;
};

struct Found {
  Tensor y, gx, gw;
};

/// Of images [first, first + count) under a gradient that differs from place to place and image to image.
Found found(const Case& s, const Tensor& images, int64_t first, int64_t count, const Tensor& weight,
            const Tensor& bias) {
  const Tensor x = images.narrow(0, first, count).clone().requires_grad_(true), w = weight.clone().requires_grad_(true);
  Tensor y;
  if (s.depth == 1) {
    const auto options = F::Conv2dFuncOptions().bias(bias).stride(s.stride).padding(s.padding);
    y = F::conv2d(x.squeeze(2), w.squeeze(2), F::Conv2dFuncOptions(options).dilation(s.dilation).groups(s.groups));
  } else {
    const auto options = F::Conv3dFuncOptions().bias(bias).stride(s.stride).padding(s.padding);
    y = F::conv3d(x, w, F::Conv3dFuncOptions(options).dilation(s.dilation).groups(s.groups));
  }
  const int64_t of_image = y.numel() / count;
  const Tensor gy = arange(first * of_image, (first + count) * of_image, kLong).remainder(7).to(y.scalar_type()) - 3;
  y.backward(gy.view(y.sizes()));
  return {y.detach(), x.grad(), w.grad()};
}

}  // namespace

TEST_SUITE_BEGIN("nn");

TEST_CASE("convolutions of many small images are those of each") {
  const Case shapes[] = {
      {40, 3, 1, 4, 4, 5, 3, 1, 1, 1, 1},    {33, 16, 1, 2, 2, 50, 3, 1, 1, 1, 1},
      {64, 8, 1, 7, 7, 48, 3, 1, 1, 1, 1},   {64, 8, 1, 7, 7, 26, 3, 2, 1, 1, 1},
      {64, 48, 1, 4, 4, 64, 1, 1, 0, 1, 1},  {40, 48, 1, 5, 3, 64, 1, 2, 0, 1, 1},
      {70, 12, 1, 6, 6, 96, 3, 1, 2, 2, 3},  {45, 6, 3, 3, 3, 32, 3, 1, 1, 1, 1},
      {128, 64, 1, 4, 4, 64, 3, 1, 1, 1, 1}, {40, 24, 1, 5, 9, 48, 5, 1, 2, 1, 1},
      {96, 32, 1, 3, 3, 32, 3, 1, 1, 1, 32}, {31, 16, 1, 4, 4, 64, 2, 1, 0, 1, 2},
  };
  for (const ScalarType dtype : {kFloat, kDouble, kHalf}) {
    for (const Case& s : shapes) {
      CAPTURE(s.images);
      CAPTURE(s.channels);
      CAPTURE(s.kernel);
      manual_seed(1);
      const Tensor x = randn({s.images, s.channels, s.depth, s.height, s.width}).to(dtype);
      const Tensor w =
          (0.2 * randn({s.outputs, s.channels / s.groups, s.depth > 1 ? s.kernel : 1, s.kernel, s.kernel})).to(dtype);
      const Tensor bias = randn({s.outputs}).to(dtype);
      const Found all = found(s, x, 0, s.images, w, bias);
      Tensor gw = zeros(w.sizes(), kDouble);
      for (int64_t i = 0; i < s.images; ++i) {
        const Found one = found(s, x, i, 1, w, bias);
        REQUIRE(one.y.equal(all.y.narrow(0, i, 1)));
        REQUIRE(one.gx.equal(all.gx.narrow(0, i, 1)));
        gw += one.gw.to(kDouble);
      }
      const double most = gw.abs().max().item<double>() + 1;
      const double tolerance = dtype == kDouble ? 1e-12 : dtype == kFloat ? 2e-6 : 2e-2;
      CHECK((all.gw.to(kDouble) - gw).abs().max().item<double>() < tolerance * most);
    }
  }
}

TEST_SUITE_END();
