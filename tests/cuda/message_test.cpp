#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/nn/linear.h>
#include <tests/message_of.h>

namespace fulmen::testing {

TEST_SUITE("cuda") {
  TEST_CASE("messages: tensors on different devices, both by name (E003)") {
    nn::Linear layer(3, 2);
    layer->to(Device("cuda"));
    const std::string message = message_of([&] { layer->forward(zeros({4, 3})); });
    CHECK_MESSAGE(mentions(message,
                           "E003: linear: Expected all tensors to be on the same device, but got "
                           "float32[4, 3] on cpu and float32[2, 3] on cuda:0"),
                  message);
    CHECK_MESSAGE(mentions(message, "fix: move one of them: x.to(other.device())"), message);
  }
}

}  // namespace fulmen::testing
