#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/tensor/collectives.h>
#include <fulmen/tensor/cuda.h>
#include <tests/message_of.h>

// With FULMEN_EMU_DEVICES=3, or on a machine with several GPUs.
using namespace fulmen;
using cuda::Communicator;
using cuda::ReduceOp;
using testing::mentions;
using testing::message_of;

namespace {

std::vector<int> some_devices(int count) {
  std::vector<int> devices(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) devices[static_cast<size_t>(i)] = i;
  return devices;
}
/// values(i) for every device i, on the device, and on the CPU.
struct Spread {
  std::vector<Tensor> here, there;
  template <class F>
  Spread(const Communicator& devices, F values) {
    for (int device : devices.devices()) {
      here.push_back(values(device));
      there.push_back(here.back().to(Device(kCUDA, static_cast<DeviceIndex>(device))));
    }
  }
};

}  // namespace

TEST_SUITE("cuda") {
  TEST_CASE("several devices: all_reduce and reduce, for every type and operation") {
    for (int count = 2; count <= cuda::device_count(); ++count) {
      const Communicator devices(some_devices(count));
      for (ScalarType dtype : {kFloat, kDouble, kHalf, kBFloat16, kLong, kInt, kChar, kByte}) {
        auto values = [&](int device) { return (arange(1, 8) * (device + 1) % 5 + 1).to(dtype); };
        for (ReduceOp op : {ReduceOp::Sum, ReduceOp::Product, ReduceOp::Max, ReduceOp::Min, ReduceOp::Average}) {
          CAPTURE(count);
          CAPTURE(static_cast<int>(op));
          Spread all(devices, values), one(devices, values);
          Tensor expected = stack(all.here).to(kDouble);
          expected = op == ReduceOp::Product ? expected.prod(0)
                     : op == ReduceOp::Max   ? amax(expected, {0})
                     : op == ReduceOp::Min   ? amin(expected, {0})
                                             : expected.sum(0);
          if (op == ReduceOp::Average) expected = expected / count;
          if (!is_floating_point(dtype)) expected = expected.trunc();
          devices.all_reduce(all.there, op);
          devices.reduce(one.there, op, 1);
          for (const Tensor& t : all.there) CHECK(allclose(t.cpu().to(kDouble), expected, 1e-2, 1e-6));
          for (size_t i = 0; i < devices.size(); ++i) {
            CHECK(equal(one.there[i].cpu(), i == 1 ? all.there[0].cpu() : one.here[i]));
          }
        }
      }
    }
  }

  TEST_CASE("several devices: broadcast, all_gather and reduce_scatter") {
    for (int count = 2; count <= cuda::device_count(); ++count) {
      const Communicator devices(some_devices(count));
      const int64_t n = count;
      Spread x(devices, [](int device) { return full({2, 3}, device + 0.5f); });
      Spread flags(devices, [](int device) { return tensor({device == 1, true}); });
      devices.broadcast(flags.there, 1);
      for (const Tensor& t : flags.there) CHECK(equal(t.cpu(), flags.here[1]));
      Spread all(devices, [&](int) { return zeros({n, 2, 3}); });
      devices.all_gather(all.there, x.there);
      for (const Tensor& t : all.there) CHECK(equal(t.cpu(), stack(x.here)));
      Spread whole(devices, [&](int device) { return arange(6 * n).to(kFloat) + device; });
      devices.reduce_scatter(x.there, whole.there);
      const Tensor sum = stack(whole.here).sum(0);
      for (int64_t i = 0; i < n; ++i) {
        CHECK(equal(x.there[static_cast<size_t>(i)].cpu().flatten(), sum.slice(0, 6 * i, 6 * (i + 1))));
      }
    }
  }

  TEST_CASE("several devices: collectives come after what is enqueued on each, and before what follows") {
    if (cuda::device_count() < 2) return;
    const Communicator devices({0, 1});
    Spread x(devices, [](int device) { return full({1000}, device + 1.0f); });
    const int64_t version = x.there[0]._version();
    for (int i = 0; i < 10; ++i) {
      devices.together([&] {
        devices.all_reduce({x.there[0], x.there[1]});
        devices.broadcast(x.there, 0);
      });
      x.there[0].mul_(0.5);
    }
    CHECK(x.there[0]._version() > version + 20);
    // s -> 0.5 (s + t), t -> s + t
    float s = 1, t = 2;
    for (int i = 0; i < 10; ++i) t = s + t, s = 0.5f * t;
    CHECK(x.there[0].cpu()[999].item<float>() == s);
    CHECK(x.there[1].cpu()[999].item<float>() == t);
  }

  TEST_CASE("several devices: what collectives refuse") {
    if (cuda::device_count() < 2) return;
    CHECK(mentions(message_of([] { Communicator c({0, 99}); }), "there is no device cuda:99"));
    CHECK(mentions(message_of([] { Communicator c({0, 1, 0}); }), "cuda:0 is named twice"));
    CHECK(mentions(message_of([] { Communicator c({}); }), "no device is named"));
    const Communicator devices({0, 1});
    const Tensor a = ones({2, 3}).to("cuda:0"), b = ones({2, 3}).to("cuda:1");
    auto refuses = [&](std::vector<Tensor> tensors, const char* reason) {
      CHECK_MESSAGE(mentions(message_of([&] { devices.all_reduce(tensors); }), reason), reason);
    };
    refuses({a}, "all_reduce: expected one tensor per device in tensors, 2 of them; got 1");
    refuses({a, Tensor()}, "tensors[1] is undefined");
    refuses({b, a}, "E003: all_reduce: expected tensors[0] on cuda:0; got");
    refuses({a, b.t()}, "tensors[1] is not contiguous");
    refuses({a, b.to(kHalf)}, "tensors[1] has another dtype or number of elements than tensors[0]");
    refuses({a, b[0]}, "tensors[1] has another dtype or number of elements than tensors[0]");
    refuses({a > 0, b > 0}, "devices exchange numbers");
    CHECK(mentions(message_of([&] { devices.broadcast({a, b}, 2); }), "root is 2, and there are 2 devices"));
    CHECK(mentions(message_of([&] { devices.all_gather({a, b}, {a, b}); }), "expected 2 times the elements of a part"));
    devices.all_reduce({a, b});  // all is well afterwards
    CHECK(equal(a.cpu(), b.cpu()));
  }
}
