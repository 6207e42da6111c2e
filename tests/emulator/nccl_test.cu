#include <dlfcn.h>
#include <fulmen/kernels/cuda/gpu.h>
#include <fulmen/tensor/cuda/nccl.h>
#include <fulmen/tests/emulator/device.h>

#include <memory>

// The emulated NCCL names what ranks do wrong.
using namespace emulator_test;
namespace nccl = fulmen::cuda::nccl;

namespace {

/// Two devices, a communicator, streams, and an array of 8 numbers on each.
struct Ranks {
  Scope scope;
  nccl::Functions f{};
  nccl::Comm comms[2] = {};
  cudaStream_t streams[2] = {};
  std::vector<float> values = std::vector<float>(8, 1);
  std::unique_ptr<DeviceArray<float>> arrays[2];

  Ranks() {
    emulator::settings().devices = 2;
    void* library = dlopen("libnccl.so.2", RTLD_NOW);
    REQUIRE(library != nullptr);
#define X(result, name, parameters) f.name = reinterpret_cast<decltype(f.name)>(dlsym(library, #name));
    FULMEN_NCCL(X)
#undef X
    for (int i : {0, 1}) {
      REQUIRE(cudaSetDevice(i) == cudaSuccess);
      REQUIRE(cudaStreamCreateWithFlags(&streams[i], cudaStreamNonBlocking) == cudaSuccess);
      arrays[i] = std::make_unique<DeviceArray<float>>(values);
    }
    REQUIRE(cudaSetDevice(0) == cudaSuccess);
    REQUIRE(f.ncclCommInitAll(comms, 2, nullptr) == nccl::success);
  }
  ~Ranks() {
    for (nccl::Comm comm : comms) (void)f.ncclCommDestroy(comm);
    for (cudaStream_t stream : streams) (void)cudaStreamDestroy(stream);
  }

  nccl::Result all_reduce(int rank, size_t count = 8, nccl::DataType type = nccl::type_float32) {
    float* data = arrays[rank]->data();
    return f.ncclAllReduce(data, data, count, type, nccl::op_sum, comms[rank], streams[rank]);
  }
  template <class Calls>
  void refuses(const char* reason, Calls calls) {
    REQUIRE(f.ncclGroupStart() == nccl::success);
    calls();
    CHECK(f.ncclGroupEnd() != nccl::success);
    CHECK_MESSAGE(std::string(f.ncclGetLastError(nullptr)).find(reason) != std::string::npos,
                  f.ncclGetLastError(nullptr));
  }
};

TEST_SUITE_BEGIN("emulator");

TEST_CASE("emulator: ranks of NCCL that agree") {
  Ranks r;
  REQUIRE(r.f.ncclGroupStart() == nccl::success);
  REQUIRE(r.all_reduce(1) == nccl::success);
  REQUIRE(r.all_reduce(0) == nccl::success);
  REQUIRE(r.f.ncclGroupEnd() == nccl::success);
  REQUIRE(cudaStreamSynchronize(r.streams[1]) == cudaSuccess);
  CHECK(r.arrays[1]->values()[7] == 2);
}

TEST_CASE("emulator: ranks of NCCL that do not") {
  Ranks r;
  r.refuses("rank 0 has 1 calls in this group, and rank 1 has 0", [&] { r.all_reduce(0); });
  r.refuses("rank 0 has count 8, type 7, operation 0, root 0; rank 1 has 7, 7, 0, 0", [&] {
    r.all_reduce(0);
    r.all_reduce(1, 7);
  });
  r.refuses("rank 1 has 4, 8, 0, 0", [&] {
    r.all_reduce(0, 4);
    r.all_reduce(1, 4, nccl::type_float64);
  });
  r.refuses("rank 0 calls ncclAllReduce, and rank 1 ncclBroadcast", [&] {
    r.all_reduce(0);
    float* data = r.arrays[1]->data();
    r.f.ncclBroadcast(data, data, 8, nccl::type_float32, 0, r.comms[1], r.streams[1]);
  });
  r.refuses("not memory of device 1", [&] {
    float* data = r.arrays[0]->data();
    r.f.ncclAllReduce(data, data, 8, nccl::type_float32, nccl::op_sum, r.comms[1], r.streams[1]);
  });
  r.refuses("not memory of device 0", [&] { r.all_reduce(0, 9); });
  r.refuses("the stream of rank 1 is none of device 1", [&] {
    float* data = r.arrays[1]->data();
    r.f.ncclAllReduce(data, data, 8, nccl::type_float32, nccl::op_sum, r.comms[1], r.streams[0]);
  });
  r.refuses("the buffers of rank 0 overlap", [&] {
    float* data = r.arrays[0]->data();
    r.f.ncclAllReduce(data, data + 1, 4, nccl::type_float32, nccl::op_sum, r.comms[0], r.streams[0]);
  });
  CHECK(r.all_reduce(0) == nccl::invalid_usage);
  CHECK(std::string(r.f.ncclGetLastError(nullptr)).find("outside of a group") != std::string::npos);
  CHECK(r.f.ncclGroupEnd() == nccl::invalid_usage);
  const int twice[] = {0, 0};
  CHECK(r.f.ncclCommInitAll(r.comms, 2, twice) == nccl::invalid_usage);
}

TEST_SUITE_END();

}  // namespace
