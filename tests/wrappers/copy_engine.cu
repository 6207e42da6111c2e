#include <fulmen/kernels/cuda/hopper.h>
#include <fulmen/tests/wrappers/wrappers.h>

#include <stdexcept>

// The copy engine (TMA) and its barriers: boxes of one to five dimensions, partly outside of the tensor, with every
// swizzle, in both directions.
namespace wrapper_test {

using namespace fulmen;

namespace {

struct Corner {
  int at[5];
};

template <int Rank>
GPU_INLINE void load_at(void* shared, const CUtensorMap* map, uint64_t* barrier, const Corner& c) {
  if constexpr (Rank == 1) ptx::tma_load(shared, map, barrier, c.at[0]);
  if constexpr (Rank == 2) ptx::tma_load(shared, map, barrier, c.at[0], c.at[1]);
  if constexpr (Rank == 3) ptx::tma_load(shared, map, barrier, c.at[0], c.at[1], c.at[2]);
  if constexpr (Rank == 4) ptx::tma_load(shared, map, barrier, c.at[0], c.at[1], c.at[2], c.at[3]);
  if constexpr (Rank == 5) ptx::tma_load(shared, map, barrier, c.at[0], c.at[1], c.at[2], c.at[3], c.at[4]);
}
template <int Rank>
GPU_INLINE void store_at(const CUtensorMap* map, const void* shared, const Corner& c) {
  if constexpr (Rank == 1) ptx::tma_store(map, shared, c.at[0]);
  if constexpr (Rank == 2) ptx::tma_store(map, shared, c.at[0], c.at[1]);
  if constexpr (Rank == 3) ptx::tma_store(map, shared, c.at[0], c.at[1], c.at[2]);
  if constexpr (Rank == 4) ptx::tma_store(map, shared, c.at[0], c.at[1], c.at[2], c.at[3]);
  if constexpr (Rank == 5) ptx::tma_store(map, shared, c.at[0], c.at[1], c.at[2], c.at[3], c.at[4]);
}

/// Loads a box and writes shared memory to y as it is.
template <int Rank>
__global__ void load_box([[maybe_unused]] uint32_t* y, [[maybe_unused]] int bytes,
                         const __grid_constant__ CUtensorMap map, [[maybe_unused]] Corner corner) {
#if GPU_HOPPER_CODE
  GPU_DYNAMIC_SHARED(uint32_t, shared);
  __shared__ uint64_t full;
  const int i = static_cast<int>(threadIdx.x);
  if (i == 0) {
    ptx::prefetch_tensor_map(&map);
    ptx::mbarrier_init(&full, 1);
    ptx::mbarrier_fence_init();
  }
  __syncthreads();
  if (i == 0) {
    ptx::mbarrier_expect(&full, bytes);
    load_at<Rank>(shared, &map, &full, corner);
  }
  ptx::mbarrier_wait(&full, 0);
  for (int word = i; word < bytes / 4; word += 128) y[word] = shared[word];
#endif
}

/// Stores a box whose bytes count up in shared memory.
template <int Rank>
__global__ void store_box([[maybe_unused]] int bytes, const __grid_constant__ CUtensorMap map,
                          [[maybe_unused]] Corner corner) {
#if GPU_HOPPER_CODE
  GPU_DYNAMIC_SHARED(unsigned char, shared);
  const int i = static_cast<int>(threadIdx.x);
  for (int b = i; b < bytes; b += 128) shared[b] = static_cast<unsigned char>(b % 251);
  ptx::fence_async();
  __syncthreads();
  if (i == 0) {
    store_at<Rank>(&map, shared, corner);
    ptx::tma_store_commit();
    ptx::tma_store_wait<0>();
  }
#endif
}

/// A tensor without gaps, but for rows that are padded to 16 bytes.
struct Tensor {
  ScalarType dtype;
  std::vector<uint64_t> sizes;  // innermost first
  std::vector<uint32_t> box;
  ptx::Swizzle swizzle = ptx::Swizzle::none;

  int rank() const { return static_cast<int>(sizes.size()); }
  uint64_t row_bytes() const { return (sizes[0] * static_cast<uint64_t>(element_size(dtype)) + 15) / 16 * 16; }
  size_t bytes() const {
    uint64_t all = row_bytes();
    for (size_t d = 1; d < sizes.size(); ++d) all *= sizes[d];
    return all;
  }
  int box_bytes() const {
    auto all = static_cast<int>(element_size(dtype));
    for (const uint32_t side : box) all *= static_cast<int>(side);
    return all;
  }
  CUtensorMap map(const void* data) const {
    ptx::TensorBox described{data, dtype, rank(), {}, {}, {}, swizzle};
    uint64_t stride = row_bytes();
    for (size_t d = 0; d < sizes.size(); ++d) {
      described.sizes[d] = sizes[d], described.box[d] = box[d];
      if (d > 0) described.stride_bytes[d - 1] = stride, stride *= sizes[d];
    }
    CUtensorMap map{};
    if (!ptx::encode_tensor_map(&map, described)) throw std::runtime_error("the tensor map cannot be encoded");
    return map;
  }
};

template <int Rank>
Result load(const Tensor& tensor, Corner corner) {
  std::vector<unsigned char> values;
  for (size_t i = 0; i < tensor.bytes(); ++i) values.push_back(static_cast<unsigned char>(i * 7 % 253 + 1));
  const Array<unsigned char> x(values);
  const Array<uint32_t> y(static_cast<size_t>(tensor.box_bytes() / 4));
  GPU_LAUNCH(load_box<Rank>, 1, 128, static_cast<size_t>(tensor.box_bytes()), cudaStream_t{}, y.data(),
             tensor.box_bytes(), tensor.map(x.data()), corner);
  return {y.words()};
}
template <int Rank>
Result store(const Tensor& tensor, Corner corner) {
  const Array<unsigned char> y(tensor.bytes());
  GPU_LAUNCH(store_box<Rank>, 1, 128, static_cast<size_t>(tensor.box_bytes()), cudaStream_t{}, tensor.box_bytes(),
             tensor.map(y.data()), corner);
  return {y.words()};
}

const Tensor line{ScalarType::Float, {50}, {32}};
const Tensor plane{ScalarType::BFloat16, {75, 21}, {64, 8}};
const Tensor cube{ScalarType::Half, {40, 9, 5}, {24, 4, 2}};
const Tensor four{ScalarType::Float, {13, 7, 3, 4}, {8, 4, 2, 2}};
const Tensor five{ScalarType::Byte, {45, 5, 4, 3, 3}, {32, 2, 2, 2, 2}};
const Tensor doubles{ScalarType::Double, {11, 6}, {6, 4}};
Tensor swizzled(ptx::Swizzle swizzle, uint32_t columns) {
  return {ScalarType::BFloat16, {100, 40}, {columns, 24}, swizzle};
}

// --- barriers

/// Warp 0 writes rounds of values for the others, which give the slot back: 2 slots, 7 rounds, both by mbarriers.
__global__ void through_slots([[maybe_unused]] uint32_t* y) {
#if GPU_HOPPER_CODE
  __shared__ uint32_t slots[2][32];
  __shared__ uint64_t full[2], empty[2];
  const int i = static_cast<int>(threadIdx.x), lane = i % 32, rounds = 7;
  if (i == 0) {
    for (int s = 0; s < 2; ++s) ptx::mbarrier_init(&full[s], 32), ptx::mbarrier_init(&empty[s], 96);
    ptx::mbarrier_fence_init();
  }
  __syncthreads();
  uint32_t sum = 0;
  for (int round = 0; round < rounds; ++round) {
    const int slot = round % 2, turn = round / 2;
    if (i < 32) {
      if (turn > 0) ptx::mbarrier_wait(&empty[slot], (turn - 1) & 1);
      slots[slot][lane] = static_cast<uint32_t>(round * 1000 + lane);
      ptx::mbarrier_arrive(&full[slot]);
    } else {
      ptx::mbarrier_wait(&full[slot], turn & 1);
      sum = sum * 31 + slots[slot][31 - lane];
      ptx::mbarrier_arrive(&empty[slot]);
    }
  }
  if (i >= 32) y[i - 32] = sum;
#endif
}
Result mbarrier_phases() {
  const Array<uint32_t> y(96);
  GPU_LAUNCH(through_slots, 1, 128, 0, cudaStream_t{}, y.data());
  return {y.words()};
}

/// A case of the copy engine: CASE(load, "1d", 1, line, 7) loads a box of `line` from element 7 on.
#define CASE(what, name, rank, tensor, ...)                                         \
  {                                                                                 \
    "tma_" #what "_" name, true, [] { return what<rank>(tensor, {{__VA_ARGS__}}); } \
  }

}  // namespace

std::vector<Case> copy_engine_cases() {
  using ptx::Swizzle;
  return {
      {"mbarrier_phases", true, mbarrier_phases},
      CASE(load, "1d", 1, line, 7),
      CASE(load, "1d_before", 1, line, -5),
      CASE(load, "1d_beyond", 1, line, 40),
      CASE(load, "2d", 2, plane, 3, 5),
      CASE(load, "2d_before", 2, plane, -9, -3),
      CASE(load, "2d_beyond", 2, plane, 30, 17),
      CASE(load, "2d_outside", 2, plane, 0, 21),
      CASE(load, "2d_double", 2, doubles, 7, 4),
      CASE(load, "3d", 3, cube, 20, 7, -1),
      CASE(load, "4d", 4, four, 9, -2, 2, 1),
      CASE(load, "5d", 5, five, 20, 4, -1, 1, 2),
      CASE(load, "swizzle_32", 2, swizzled(Swizzle::bytes32, 16), 88, 20),
      CASE(load, "swizzle_64", 2, swizzled(Swizzle::bytes64, 32), 72, 20),
      CASE(load, "swizzle_128", 2, swizzled(Swizzle::bytes128, 64), 50, 20),
      CASE(store, "1d", 1, line, 30),
      CASE(store, "2d", 2, plane, -8, 16),
      CASE(store, "3d", 3, cube, 24, -2, 4),
      CASE(store, "4d", 4, four, -3, 5, 1, 3),
      CASE(store, "5d", 5, five, 32, 3, 3, -1, 1),
      CASE(store, "swizzle_32", 2, swizzled(Swizzle::bytes32, 16), 8, 30),
      CASE(store, "swizzle_64", 2, swizzled(Swizzle::bytes64, 32), 80, 3),
      CASE(store, "swizzle_128", 2, swizzled(Swizzle::bytes128, 64), 64, -4),
  };
}

}  // namespace wrapper_test
