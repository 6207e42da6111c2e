#include <doctest/doctest.h>
#include <fulmen/autograd/engine.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/nn/nn.h>
#include <fulmen/tensor/cuda.h>

using namespace fulmen;

// The gradient that cross_entropy writes together with the loss, against the one of its losses one by one, which has
// its own kernel; and who may take it.
namespace {

std::vector<Device> devices() {
  std::vector<Device> all{kCPU};
  if (cuda::is_available()) all.push_back(kCUDA);
  return all;
}

struct Case {
  Shape sizes;  ///< of the scores
  bool weighted;
  double smoothing;
  Reduction reduction;
};

struct Problem {
  Tensor x, target, weight;
  Problem(const Case& c, Device device, ScalarType dtype) {
    Generator stream(3);
    const int64_t classes = c.sizes[c.sizes.size() == 1 ? 0 : 1];
    Shape labels = c.sizes;
    labels.erase(c.sizes.size() == 1 ? 0 : 1);
    x = (randn(c.sizes, stream) * 3).to(device, dtype).requires_grad_();
    target = randint(0, classes, labels, stream, kLong);
    if (target.numel() > 2) target.view({-1})[1].fill_(-100);
    target = target.to(device);
    if (c.weighted) weight = (rand({classes}, stream) + 0.5).to(device, dtype);
  }
  Tensor loss(const Case& c) const { return cross_entropy(x, target, weight, c.reduction, -100, c.smoothing); }
  /// The same from the losses one by one.
  Tensor reference(const Case& c) const {
    const Tensor sum = cross_entropy(x, target, weight, Reduction::None, -100, c.smoothing).sum();
    if (c.reduction == Reduction::Sum) return sum;
    const Tensor ignored = target.eq(-100);
    const Tensor labels = target.masked_fill(ignored, 0).view({-1});
    const Tensor each = weight.defined() ? weight.index_select(0, labels) : ones_like(labels).to(x.scalar_type());
    return sum / each.masked_fill(ignored.view({-1}), 0).sum();
  }
};

Tensor gradient(const Tensor& loss, const Tensor& x) { return autograd::grad({loss}, {x})[0]; }

}  // namespace

TEST_SUITE("nn") {
  TEST_CASE("cross_entropy: the gradient written with the loss is that of the losses one by one") {
    const Case cases[] = {
        {{7}, false, 0, Reduction::Mean},          {{5, 3}, false, 0, Reduction::Mean},
        {{9, 130}, true, 0, Reduction::Mean},      {{9, 128}, true, 0.1, Reduction::Mean},
        {{3, 2100}, false, 0.2, Reduction::Sum},   {{4, 6, 5}, true, 0.1, Reduction::Mean},
        {{2, 33, 3, 4}, false, 0, Reduction::Sum},
    };
    for (const Device& device : devices()) {
      for (ScalarType dtype : {kFloat, kDouble, kBFloat16, kHalf}) {
        for (const Case& c : cases) {
          const Problem p(c, device, dtype);
          const double tolerance = dtype == kDouble ? 1e-12 : dtype == kFloat ? 2e-6 : dtype == kHalf ? 4e-3 : 2e-2;
          const Tensor expected = gradient(p.reference(c), p.x), loss = p.loss(c);
          CAPTURE(device.str());
          CAPTURE(static_cast<int>(dtype));
          CAPTURE(c.sizes.size());
          CHECK(allclose(loss.to(kDouble), p.reference(c).to(kDouble), tolerance, tolerance));
          NoGradGuard plain;
          CHECK(allclose(loss, p.loss(c), 0, 0));  // the loss does not depend on who asks
          AutoGradMode recorded(true);
          CHECK(allclose(gradient(loss, p.x).to(kDouble), expected.to(kDouble), tolerance, tolerance / 10));
          CHECK(allclose(gradient(p.loss(c) * 3, p.x).to(kDouble), expected.to(kDouble) * 3, tolerance, tolerance));
        }
      }
    }
  }

  TEST_CASE("cross_entropy: second derivatives") {
    for (const Device& device : devices()) {
      for (const Case& c : {Case{{4, 5}, true, 0.1, Reduction::Mean}, Case{{3, 4, 2}, false, 0, Reduction::Sum}}) {
        const Problem p(c, device, kDouble);
        auto second = [&](const Tensor& loss) {
          const Tensor first = autograd::grad({loss}, {p.x}, {}, true, true)[0];
          return gradient(first.square().sum(), p.x);
        };
        CHECK(allclose(second(p.loss(c)), second(p.reference(c)), 1e-10, 1e-12));
      }
    }
  }

  TEST_CASE("cross_entropy: nobody can change the gradient that it keeps") {
    const Case c{{6, 10}, false, 0, Reduction::Mean};
    for (const Device& device : devices()) {
      const Problem p(c, device, kFloat);
      const Tensor expected = gradient(p.reference(c), p.x);
      auto near = [&](const Tensor& got, double factor) { return allclose(got, expected * factor, 1e-5, 1e-7); };

      const Tensor kept = p.loss(c);
      Tensor first = autograd::grad({kept}, {p.x}, {}, true)[0];
      first.mul_(7);
      CHECK(near(autograd::grad({kept}, {p.x}, {}, true)[0], 1));
      kept.backward({}, true);
      kept.backward();
      CHECK(near(p.x.grad(), 2));
      p.x.grad().mul_(0);

      // What changes the 1 that backward() starts from changes the gradient.
      const Tensor hooked = p.loss(c);
      hooked.register_hook([](const Tensor& g) { return g * 2; });
      CHECK(near(gradient(hooked, p.x), 2));
      const Tensor written = p.loss(c);
      written.register_hook([](Tensor g) -> Tensor { return g.mul_(4); });
      CHECK(near(gradient(written, p.x), 4));

      // Scores that are used twice: the gradients add up.
      const Tensor y = p.x * 1;
      (cross_entropy(y, p.target) + y.sum() * 0).backward();
      CHECK(near(p.x.grad(), 1));
      const Tensor z = p.x * 1;
      CHECK(near(gradient(cross_entropy(z, p.target) + cross_entropy(z, p.target), p.x), 2));
    }
  }
}
