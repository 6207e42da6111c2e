#include <fulmen/kernels/cuda/wgmma.h>
#include <fulmen/tests/emulator/device.h>

#include <cmath>

// The instructions of hopper.h and wgmma.h, against what the same computation gives on the host.
using namespace fulmen;
using namespace emulator_test;

namespace {

/// Loads one box, copies it to `linear` as it lies, and stores it through a second map.
template <int Rank>
__global__ void move_box(const __grid_constant__ CUtensorMap in, const __grid_constant__ CUtensorMap out, int first,
                         int box_bytes, unsigned char* linear) {
#if GPU_HOPPER_CODE
  GPU_DYNAMIC_SHARED(unsigned char, box);
  __shared__ uint64_t full;
  if (threadIdx.x == 0) {
    ptx::mbarrier_init(&full, 1);
    ptx::mbarrier_fence_init();
  }
  __syncthreads();
  auto coordinates = [&](auto call) {
    if constexpr (Rank == 1) call(first);
    if constexpr (Rank == 2) call(first, 1);
    if constexpr (Rank == 3) call(first, 1, 0);
    if constexpr (Rank == 4) call(first, 1, 0, 1);
    if constexpr (Rank == 5) call(first, 1, 0, 1, -1);
  };
  if (threadIdx.x == 0) {
    ptx::mbarrier_expect(&full, box_bytes);
    coordinates([&](auto... c) { ptx::tma_load(box, &in, &full, c...); });
  }
  ptx::mbarrier_wait(&full, 0);
  for (int i = static_cast<int>(threadIdx.x); i < box_bytes; i += static_cast<int>(blockDim.x)) linear[i] = box[i];
  ptx::fence_async();
  __syncthreads();
  if (threadIdx.x == 0) {
    coordinates([&](auto... c) { ptx::tma_store(&out, box, c...); });
    ptx::tma_store_commit();
    ptx::tma_store_wait<0>();
  }
#endif
}

/// A ring of stages: one thread loads boxes of 256 floats, the others add them up.
__global__ void pipeline(const __grid_constant__ CUtensorMap map, float* sums, int boxes) {
#if GPU_HOPPER_CODE
  constexpr int stages = 3;
  GPU_DYNAMIC_SHARED(float, ring);
  __shared__ uint64_t full[stages], empty[stages];
  if (threadIdx.x == 0) {
    for (int s = 0; s < stages; ++s) {
      ptx::mbarrier_init(&full[s], 1);
      ptx::mbarrier_init(&empty[s], 2);
    }
    ptx::mbarrier_fence_init();
  }
  __syncthreads();
  if (threadIdx.x < 32) {
    if (threadIdx.x == 0) {
      for (int i = 0; i < boxes; ++i) {
        int s = i % stages, round = i / stages;
        if (round > 0) ptx::mbarrier_wait(&empty[s], (round - 1) & 1);
        ptx::mbarrier_expect(&full[s], 1024);
        ptx::tma_load(ring + s * 256, &map, &full[s], i * 256);
      }
    }
    return;
  }
  float sum = 0;
  int thread = static_cast<int>(threadIdx.x) - 32;
  for (int i = 0; i < boxes; ++i) {
    int s = i % stages, round = i / stages;
    ptx::mbarrier_wait(&full[s], round & 1);
    for (int k = thread; k < 256; k += 64) sum += ring[s * 256 + k];
    __syncwarp();
    if (thread % 32 == 0) ptx::mbarrier_arrive(&empty[s]);
  }
  sums[thread] = sum;
#endif
}

/// Offset in bytes of element (line, i) of an operand whose lines are `span` bytes each, swizzled; lines longer than a
/// span continue `leading` bytes on.
__host__ __device__ inline int swizzled_offset(int line, int byte, int span, int leading) {
  int linear = byte / span * leading + line * span + byte % span;
  return linear ^ ((linear >> 7 & (span / 16 - 1)) << 4);
}

struct Layout {
  int lines, line_bytes, span, leading;  // span 16: no swizzle, core matrices of 128 bytes
  __host__ __device__ int offset(int line, int byte) const {
    if (span == 16) return line / 8 * 128 + byte / 16 * leading + line % 8 * 16 + byte % 16;
    return swizzled_offset(line, byte, span, leading);
  }
};

/// d (64 x N) = 1 + a (64 x K) b (K x N) in two steps of K; a and b lie k major or mn major, swizzled.
template <class T, int N, ptx::Major A, ptx::Major B, bool Registers>
__global__ void multiply(const T* a, const T* b, float* d, Layout la, Layout lb, ptx::Swizzle swizzle) {
#if GPU_HOPPER_CODE
  constexpr int depth = std::is_same_v<T, float> ? 8 : 16, size = sizeof(T);
  GPU_DYNAMIC_SHARED(unsigned char, shared);
  unsigned char *sa = shared, *sb = shared + 32768;
  int thread = static_cast<int>(threadIdx.x);
  auto stage = [&](unsigned char* to, const T* from, const Layout& layout) {
    int per_line = layout.line_bytes / size;
    for (int i = thread; i < layout.lines * per_line; i += 128) {
      *reinterpret_cast<T*>(to + layout.offset(i / per_line, i % per_line * size)) = from[i];
    }
  };
  stage(sa, a, la);
  stage(sb, b, lb);
  ptx::fence_async();
  __syncthreads();
  float sums[N / 2];
  for (int i = 0; i < N / 2; ++i) sums[i] = 1.0f;
  uint32_t fragments[2][4];
  if constexpr (Registers) {
    int row = thread / 32 * 16 + thread % 32 / 4, t = thread % 4, words = 2 * depth * size / 4;
    const auto* pairs = reinterpret_cast<const uint32_t*>(a);
    for (int step = 0; step < 2; ++step) {
      for (int i = 0; i < 4; ++i) {
        fragments[step][i] = pairs[(row + i % 2 * 8) * words + step * words / 2 + i / 2 * 4 + t];
      }
    }
  }
  ptx::wgmma_fence();
  for (int step = 0; step < 2; ++step) {
    auto descriptor = [&](unsigned char* at, const Layout& l, bool mn) {
      // Further along k: other lines, or further in the lines.
      int further = mn && l.span != 16 ? step * depth * l.span
                    : mn               ? l.offset(step * depth, 0)
                                       : l.offset(0, step * 32);
      if (l.span == 16) {
        int lines = 128, chunks = l.leading;  // from one core matrix to the next, along lines and along bytes
        return ptx::wgmma_descriptor(at + further, swizzle, mn ? lines : chunks, mn ? chunks : lines);
      }
      return ptx::wgmma_descriptor(at + further, swizzle, l.leading, 8 * l.span);
    };
    uint64_t db = descriptor(sb, lb, B == ptx::Major::mn);
    if constexpr (Registers) {
      ptx::wgmma<T, N, B>(sums, fragments[step], db, true);
    } else {
      ptx::wgmma<T, N, A, B>(sums, descriptor(sa, la, A == ptx::Major::mn), db, true);
    }
  }
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>();
  int row = thread / 32 * 16 + thread % 32 / 4, column = thread % 4 * 2;
  for (int i = 0; i < N / 2; ++i) d[(row + i % 4 / 2 * 8) * N + i / 4 * 8 + column + i % 2] = sums[i];
#endif
}

ptx::Swizzle swizzle_of(int span) {
  return span == 128  ? ptx::Swizzle::bytes128
         : span == 64 ? ptx::Swizzle::bytes64
         : span == 32 ? ptx::Swizzle::bytes32
                      : ptx::Swizzle::none;
}

/// An operand of `extent` rows (or columns) and 2 * depth of k. mn major: lines are k.
template <class T>
Layout layout_of(int extent, bool mn, int span) {
  int size = static_cast<int>(sizeof(T)), k = 2 * (size == 4 ? 8 : 16);
  Layout layout{mn ? k : extent, (mn ? extent : k) * size, span, 0};
  layout.leading = span == 16 ? layout.lines * 16 : layout.lines * span;
  return layout;
}

template <class T, int N, ptx::Major A = ptx::Major::k, ptx::Major B = ptx::Major::k, bool Registers = false>
void check_product(int span) {
  CAPTURE(N);
  CAPTURE(span);
  constexpr bool a_mn = A == ptx::Major::mn, b_mn = B == ptx::Major::mn;
  size_t k = 2 * (sizeof(T) == 4 ? 8 : 16);
  std::vector<T> a(64 * k), b(N * k);
  for (size_t i = 0; i < a.size(); ++i) a[i] = T(sample(i));
  for (size_t i = 0; i < b.size(); ++i) b[i] = T(sample(i * 3 + 1));
  DeviceArray<T> da(a), db(b);
  DeviceArray<float> d(64 * N);
  GPU_LAUNCH((multiply<T, N, A, B, Registers>), 1, 128, 98304, cudaStream_t{}, da.data(), db.data(), d.data(),
             layout_of<T>(64, a_mn, a_mn && span != 16 ? 128 : span), layout_of<T>(N, b_mn, span), swizzle_of(span));
  REQUIRE(std::string(cudaGetErrorString(cudaGetLastError())) == "no error");
  auto result = d.values();
  int wrong = 0;
  for (size_t row = 0; row < 64; ++row) {
    for (size_t column = 0; column < N; ++column) {
      float sum = 1;
      for (size_t i = 0; i < k; ++i) {
        sum += float(a_mn ? a[i * 64 + row] : a[row * k + i]) * float(b_mn ? b[i * N + column] : b[column * k + i]);
      }
      wrong += result[row * N + column] != sum;
    }
  }
  CHECK(wrong == 0);
}

// --- boxes

struct Tensor {
  std::vector<uint64_t> sizes;
  std::vector<uint32_t> box;
  size_t count() const {
    size_t n = 1;
    for (uint64_t s : sizes) n *= s;
    return n;
  }
  size_t box_count() const {
    size_t n = 1;
    for (uint32_t s : box) n *= s;
    return n;
  }
};

ptx::TensorBox describe(const Tensor& tensor, const void* data, ptx::Swizzle swizzle) {
  ptx::TensorBox box{data, ScalarType::Float, static_cast<int>(tensor.sizes.size()), {}, {}, {}, swizzle};
  uint64_t stride = 4;
  for (size_t i = 0; i < tensor.sizes.size(); ++i) {
    box.sizes[i] = tensor.sizes[i];
    box.box[i] = tensor.box[i];
    stride *= tensor.sizes[i];
    if (i < 4) box.stride_bytes[i] = stride;
  }
  return box;
}

template <int Rank>
void check_box(const Tensor& tensor, int first, int span) {
  CAPTURE(Rank);
  CAPTURE(span);
  std::vector<float> x(tensor.count());
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i + 1);
  DeviceArray<float> in(x), out(std::vector<float>(x.size(), -1.0f)), linear(tensor.box_count());
  CUtensorMap in_map, out_map;
  REQUIRE(ptx::encode_tensor_map(&in_map, describe(tensor, in.data(), swizzle_of(span))));
  REQUIRE(ptx::encode_tensor_map(&out_map, describe(tensor, out.data(), swizzle_of(span))));
  auto bytes = static_cast<int>(tensor.box_count() * 4);
  GPU_LAUNCH(move_box<Rank>, 1, 64, static_cast<size_t>(bytes), cudaStream_t{}, in_map, out_map, first, bytes,
             reinterpret_cast<unsigned char*>(linear.data()));
  REQUIRE(std::string(cudaGetErrorString(cudaGetLastError())) == "no error");
  const int64_t start[5] = {first, 1, 0, 1, -1};
  auto box = linear.values();
  std::vector<float> expected(x.size(), -1.0f);
  for (size_t i = 0; i < box.size(); ++i) {
    size_t rest = i, at = 0, stride = 1;
    bool inside = true;
    for (size_t d = 0; d < Rank; ++d) {
      int64_t c = start[d] + static_cast<int64_t>(rest % tensor.box[d]);
      rest /= tensor.box[d];
      inside = inside && c >= 0 && c < static_cast<int64_t>(tensor.sizes[d]);
      at += static_cast<size_t>(c) * stride;
      stride *= tensor.sizes[d];
    }
    size_t linear_byte = i * 4, chunk_mask = span == 16 ? 0 : static_cast<size_t>(span) / 16 - 1;
    size_t place = linear_byte ^ ((linear_byte >> 7 & chunk_mask) << 4);
    CHECK(box[place / 4] == (inside ? x[at] : 0.0f));
    if (inside) expected[at] = x[at];
  }
  CHECK(out.values() == expected);
}

TEST_SUITE_BEGIN("emulator");

TEST_CASE("emulator: boxes of 1 to 5 dimensions come and go, zeros outside") {
  in_every_order([] {
    check_box<1>({{100}, {64}}, 60, 16);
    check_box<2>({{20, 9}, {8, 12}}, 16, 32);
    check_box<2>({{64, 40}, {32, 32}}, -3, 128);
    check_box<3>({{16, 5, 3}, {16, 8, 2}}, -1, 64);
    check_box<4>({{8, 3, 4, 3}, {4, 2, 4, 2}}, 5, 16);
    check_box<5>({{8, 2, 3, 2, 3}, {4, 2, 2, 2, 3}}, 2, 16);
  });
}

TEST_CASE("emulator: a ring of mbarriers between a producer and consumers") {
  in_every_order([] {
    for (int boxes : {1, 3, 7, 10}) {
      std::vector<float> x(static_cast<size_t>(boxes) * 256);
      for (size_t i = 0; i < x.size(); ++i) x[i] = sample(i);
      DeviceArray<float> in(x), sums(64);
      CUtensorMap map;
      REQUIRE(ptx::encode_tensor_map(&map, describe({{x.size()}, {256}}, in.data(), ptx::Swizzle::none)));
      GPU_LAUNCH(pipeline, 1, 96, 3 * 1024, cudaStream_t{}, map, sums.data(), boxes);
      REQUIRE(std::string(cudaGetErrorString(cudaGetLastError())) == "no error");
      auto values = sums.values();
      for (size_t i = 0; i < 64; ++i) {
        float sum = 0;
        for (size_t k = i; k < x.size(); k += 64) sum += x[k];
        CHECK(values[i] == sum);
      }
    }
  });
}

TEST_CASE("emulator: maps that the copy engine cannot use are refused") {
  alignas(128) static float data[64 * 64];
  CUtensorMap map;
  auto encodes = [&](auto change) {
    ptx::TensorBox box{data, ScalarType::Float, 2, {64, 64}, {256}, {32, 8}, ptx::Swizzle::bytes128};
    change(box);
    return ptx::encode_tensor_map(&map, box);
  };
  CHECK(encodes([](ptx::TensorBox&) {}));
  CHECK_FALSE(encodes([](ptx::TensorBox& box) { box.data = data + 1; }));
  CHECK_FALSE(encodes([](ptx::TensorBox& box) { box.stride_bytes[0] = 260; }));
  CHECK_FALSE(encodes([](ptx::TensorBox& box) { box.box[0] = 64; }));  // 256 bytes in a span of 128
  CHECK_FALSE(encodes([](ptx::TensorBox& box) { box.box[0] = 3; }));
  CHECK_FALSE(encodes([](ptx::TensorBox& box) { box.box[1] = 257; }));
  CHECK_FALSE(encodes([](ptx::TensorBox& box) { box.sizes[1] = 0; }));
  CHECK_FALSE(encodes([](ptx::TensorBox& box) { box.rank = 6; }));
  CHECK_FALSE(encodes([](ptx::TensorBox& box) { box.dtype = ScalarType::Bool; }));
}

TEST_CASE("emulator: wgmma of every width") {
  Scope scope;
  check_product<BFloat16, 16>(32);
  check_product<BFloat16, 32>(64);
  check_product<BFloat16, 64>(64);
  check_product<Half, 96>(64);
  check_product<Half, 128>(64);
  check_product<Half, 192>(64);
  check_product<BFloat16, 256>(64);
  check_product<float, 48>(64);
  check_product<float, 128>(32);
}

TEST_CASE("emulator: wgmma of operands in either order, with every swizzle") {
  in_every_order([] {
    using enum ptx::Major;
    for (int span : {16, 32, 64}) {
      check_product<BFloat16, 64, k, k>(span);
      check_product<float, 64, k, k>(span);
    }
    for (int span : {16, 128}) {
      check_product<BFloat16, 128, mn, k>(span == 128 ? 16 : span);
      check_product<Half, 128, mn, mn>(span);
    }
    for (int span : {16, 32, 64, 128}) check_product<BFloat16, 128, k, mn, true>(span);
  });
}

TEST_CASE("emulator: wgmma with A in registers") {
  in_every_order([] {
    check_product<BFloat16, 64, ptx::Major::k, ptx::Major::k, true>(64);
    check_product<Half, 32, ptx::Major::k, ptx::Major::k, true>(32);
    check_product<float, 64, ptx::Major::k, ptx::Major::k, true>(64);
  });
}

TEST_SUITE_END();

}  // namespace
