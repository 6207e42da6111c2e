#include <doctest/doctest.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/random.h>
#include <fulmen/autograd/ops/tensor_data.h>
#include <fulmen/autograd/ops/views.h>
#include <fulmen/tensor/allocator.h>
#include <fulmen/tensor/warning.h>
#include <tests/tensor/support.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <thread>

using namespace fulmen;
using namespace fulmen::testing;
using nlohmann::json;

TEST_SUITE_BEGIN("tensor");

TEST_CASE("errors: what, where, how to fix it") {
  Error plain("add: sizes differ");
  CHECK(std::string(plain.what()) == "add: sizes differ");
  Error coded("E001", "Linear takes 4 features; got 8", "construct Linear(8, 64)");
  coded.set_module(&coded, "Linear");
  coded.set_module(nullptr, "Sequential");
  coded.set_module_path("net.2");
  coded.add_context("training_step");
  coded.add_context("epoch 0, batch 3");
  CHECK(coded.msg() == "Linear takes 4 features; got 8");
  CHECK(coded.code() == "E001");
  CHECK(std::string(coded.what()) ==
        "E001: Linear takes 4 features; got 8\n  in net.2 (Linear), training_step, epoch 0, batch 3\n"
        "  fix: construct Linear(8, 64)");
  CHECK_THROWS_AS(ArrayRef<int>({1, 2}).at(2), IndexError);
}

TEST_CASE("warnings reach the handler of the thread") {
  struct Keep final : WarningHandler {
    void process(const Warning& w) override { text = w.msg(); }
    std::string text;
  } keep;
  WarningHandler* before = get_warning_handler();
  set_warning_handler(&keep);
  warn("careful");
  set_warning_handler(before);
  CHECK(keep.text == "careful");
}

TEST_CASE("devices: strict parsing") {
  CHECK(Device("cpu") == Device(kCPU));
  CHECK(Device("cpu:0") == Device(kCPU, 0));
  CHECK(Device("cuda:123") == Device(kCUDA, 123));
  CHECK(!Device("cuda").has_index());
  CHECK(Device("cuda:1").str() == "cuda:1");
  for (const char* bad : {"", "cud:1", "cuda:", "cpu::1", ":1", "3", "tpu:4", "??", "cuda:1x", "cuda:-1", "cuda: 1",
                          "cuda:01", "cuda:128", "cpu:1", "cuda:1:1", "CPU", " cpu", "cuda:99999999999"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(Device(std::string(bad)), Error);
  }
  CHECK(mentions(message_of([] { Device(std::string{}); }), "Device string must not be empty"));
  CHECK_THROWS_AS(Device(kCPU, 1), Error);
}

TEST_CASE("dtypes: names and PyTorch's promotion table") {
  const json recorded = fixture("promotion.json");
  std::vector<ScalarType> types;
  for (const json& name : recorded["dtypes"]) {
    types.push_back(dtype_from_name(name.get<std::string>()));
    CHECK(dtype_name(types.back()) == name.get<std::string>());
  }
  int wrong = 0;
  for (size_t i = 0; i < types.size(); ++i) {
    for (size_t j = 0; j < types.size(); ++j) {
      wrong += dtype_name(promote_types(types[i], types[j])) != recorded["tensor_tensor"][i][j].get<std::string>();
      if (recorded.contains("can_cast") && recorded["can_cast"][i][j].is_boolean()) {
        wrong += can_cast(types[i], types[j]) != recorded["can_cast"][i][j].get<bool>();
      }
    }
  }
  CHECK(wrong == 0);
  CHECK(dtype_from_name("float33") == ScalarType::Undefined);
  CHECK(to_string(kBFloat16) == "BFloat16");
}

TEST_CASE("dtypes: the default is taken where none is given") {
  const ScalarType before = get_default_dtype();
  set_default_dtype(kDouble);
  CHECK(ones(2).scalar_type() == kDouble);
  CHECK(tensor({1.5f}).scalar_type() == kDouble);
  CHECK(arange(3.0).scalar_type() == kDouble);
  CHECK(ones(2, kFloat).scalar_type() == kFloat);
  set_default_dtype(before);
}

TEST_CASE("half and bfloat16 round to nearest, ties to even, and keep infinities and NaN") {
  CHECK(static_cast<float>(Half(1.0f + 0x1p-11f)) == 1.0f);
  CHECK(static_cast<float>(Half(1.0f + 0x1.8p-10f)) == 1.0f + 0x1p-9f);
  CHECK(static_cast<float>(Half(65520.0f)) == INFINITY);
  CHECK(static_cast<float>(Half(65519.0f)) == 65504.0f);
  CHECK(static_cast<float>(Half(0x1p-24f)) == 0x1p-24f);
  CHECK(static_cast<float>(Half(0x1p-25f)) == 0.0f);
  CHECK(std::isnan(static_cast<float>(Half(NAN))));
  CHECK(static_cast<float>(BFloat16(1.0f + 0x1p-8f)) == 1.0f);
  CHECK(static_cast<float>(BFloat16(-INFINITY)) == -INFINITY);
  CHECK(std::isnan(static_cast<float>(BFloat16(NAN))));
  int wrong = 0;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = Half::to_float(static_cast<uint16_t>(bits));
    wrong += !std::isnan(value) && Half::from_float(value) != bits;
  }
  CHECK(wrong == 0);
  CHECK(static_cast<float>(std::numeric_limits<Half>::max()) == 65504.0f);
}

TEST_CASE("shapes: short ones inside, long ones outside") {
  Shape s{1, 2, 3};
  s.insert(1, 9);
  s.push_back(4);
  s.erase(0);
  CHECK(s == Shape{9, 2, 3, 4});
  for (int64_t i = 0; i < 10; ++i) s.push_back(i);
  Shape copy = s, moved = std::move(s);
  CHECK(copy == moved);
  CHECK(copy.size() == 14);
  copy = Shape{1};
  CHECK(copy == Shape{1});
  CHECK(copy.vec() == std::vector<int64_t>{1});
  CHECK(OptionalIntArrayRef(3).value().equals({3}));
}

TEST_CASE("scalars remember their kind") {
  CHECK(Scalar(1.5).to<int>() == 1);
  CHECK(Scalar(true).type() == kBool);
  CHECK(Scalar(3).equal(3.0));
  CHECK((-Scalar(2)).toLong() == -2);
  CHECK(mentions(message_of([] { Scalar(1e30).toLong(); }), "cannot be converted to type int64 without overflow"));
}

TEST_CASE("tensors: sizes, strides, item, resize_") {
  const Tensor x = zeros({2, 3, 4});
  CHECK(x.strides() == IntArrayRef({12, 4, 1}));
  CHECK(x.size(-1) == 4);
  CHECK(x.stride(0) == 12);
  CHECK(mentions(message_of([&] { x.size(3); }),
                 "Dimension out of range (expected to be in range of [-3, 2], but got 3)"));
  CHECK(mentions(message_of([] { zeros({}).size(0); }), "tensor has no dimensions"));
  CHECK(mentions(message_of([&] { x.item(); }), "a Tensor with 24 elements cannot be converted to Scalar"));
  CHECK(mentions(message_of([&] { x.data_ptr<double>(); }), "expected scalar type Double but found Float"));
  CHECK(mentions(message_of([&] { x.accessor<float, 2>(); }), "TensorAccessor expected 2 dims but tensor has 3"));
  CHECK(mentions(message_of([] { Tensor().sizes(); }), "undefined Tensor"));
  CHECK(mentions(message_of([] { empty({2, -1}); }), "negative dimension -1: [2, -1]"));
  CHECK(mentions(message_of([] { empty({int64_t{1} << 62, 8}); }), "overflowed with sizes"));
  CHECK(mentions(message_of([] { fulmen::empty(std::vector<int64_t>(17, 1)); }), "at most 16"));
  CHECK(x.transpose(0, 2).is_non_overlapping_and_dense());
  CHECK(!x.slice(2, 0, 2).is_non_overlapping_and_dense());
  Tensor y = arange(4, kFloat);
  const Tensor view = y.view({2, 2});
  y.resize_({3, 4});
  CHECK(y.sizes() == IntArrayRef({3, 4}));
  CHECK(y.view(12).slice(0, 0, 4).equal(arange(4, kFloat)));
  CHECK(view.data_ptr() == y.data_ptr());
  const auto a = y.accessor<float, 2>();
  a[2][3] = 7;
  CHECK(y[2][3].item<float>() == 7);
}

TEST_CASE("memory: data() keeps what it shows when the tensor grows") {
  Tensor x = ones(1000);
  const Tensor before = x.data();
  x.resize_(100000);
  CHECK(before.sum().item<float>() == 1000);
  CHECK(before.data_ptr() != x.data_ptr());
}

TEST_CASE("memory: 64-byte aligned, counted, and given back") {
  const int64_t before = memory_stats().in_use;
  {
    std::vector<Tensor> many;
    for (int64_t bytes : {1, 63, 64, 65, 1000, 1024, 1025, 5000, 65536, 65537, 1 << 20, 3 << 20}) {
      many.push_back(empty(bytes, kByte));
      CHECK(reinterpret_cast<uintptr_t>(many.back().data_ptr()) % 64 == 0);
    }
    CHECK(memory_stats().in_use >= before + (4 << 20));
  }
  CHECK(memory_stats().in_use == before);
  release_cached_memory();
  CHECK(memory_stats().reserved >= memory_stats().in_use);
}

TEST_CASE("memory: blocks travel between threads") {
  const int64_t before = memory_stats().in_use;
  std::vector<Tensor> shared(200);
  for (int round = 0; round < 5; ++round) {
    std::thread maker([&] {
      for (size_t i = 0; i < shared.size(); ++i) shared[i] = full(static_cast<int64_t>(1 + i * 37), 1);
    });
    maker.join();
    std::thread user([&] {
      for (Tensor& t : shared) t = t.view(-1).slice(0, 0, 1).clone();
    });
    user.join();
  }
  shared.clear();
  CHECK(memory_stats().in_use == before);
}

TEST_CASE("generators: state goes out and comes back") {
  Generator g(5);
  g->random();
  empty(3).normal_(0, 1, g);
  const std::vector<uint64_t> state = g->state();
  const Tensor first = empty(40).normal_(0, 1, g), second = empty(3).normal_(0, 1, g);
  Generator h(1);
  h->set_state(state);
  CHECK(empty(40).normal_(0, 1, h).equal(first));
  CHECK(empty(3).normal_(0, 1, h).equal(second));
  std::vector<uint64_t> wrong = state;
  wrong[1] = 700;
  CHECK_THROWS_AS(h->set_state(wrong), Error);
  CHECK_THROWS_AS(h->set_state({1, 2, 3}), Error);
}

TEST_SUITE_END();
