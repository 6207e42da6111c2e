#include <fulmen/kernels/cuda/wgmma.h>
#include <fulmen/tests/wrappers/wrappers.h>

// wgmma: all sizes, both majors of either operand, every swizzle, A from registers. d (64, N) = a (64, 64) b (64, N),
// of TF32 with a depth of 32. The operands are laid out in shared memory by plain stores, element by element, as
// wgmma_descriptor describes it.
namespace wrapper_test {

using namespace fulmen;
using ptx::Major;
using ptx::Swizzle;

namespace {

template <class T>
constexpr int depth = 128 / static_cast<int>(sizeof(T));  // one span of 128 bytes
template <class T>
constexpr int step = 32 / static_cast<int>(sizeof(T));  // of one instruction

/// Where elements of an operand lie: `extent` of them across the depth.
template <class T, Swizzle S, Major M>
struct Layout {
  static constexpr int span = S == Swizzle::none ? 16 : 16 << static_cast<int>(S);  // bytes
  static constexpr int size = static_cast<int>(sizeof(T)), chunk = 16 / size;
  int extent;

  /// Bytes from the first element to (across, along the depth), before the swizzle.
  GPU_INLINE int plain(int across, int along) const {
    const int inner = M == Major::k ? along : across, outer = M == Major::k ? across : along;
    const int lines = M == Major::k ? extent : depth<T>;
    if constexpr (S == Swizzle::none) {  // core matrices of 8 lines of 16 bytes, those across the depth side by side
      const int cores = extent / (M == Major::k ? 8 : chunk);
      const int at = M == Major::k ? along / chunk * cores + across / 8 : along / 8 * cores + across / chunk;
      return at * 128 + outer % 8 * 16 + inner % chunk * size;
    }
    return inner * size / span * lines * span + outer * span + inner * size % span;
  }
  GPU_INLINE int place(int across, int along) const {
    const int at = plain(across, along);
    return at ^ ((at >> 7 & (span / 16 - 1)) << 4);
  }
  GPU_INLINE uint64_t describe(const unsigned char* tile, int along) const {
    constexpr bool core = S == Swizzle::none;
    const int cores = extent / (M == Major::k ? 8 : chunk) * 128, spans = (M == Major::k ? extent : depth<T>)*span;
    return ptx::wgmma_descriptor(tile + plain(0, along), S, core ? cores : spans, core ? 128 : 8 * span);
  }
};

/// What it is about; the operands' words are those of `T`.
template <class T, int N, Swizzle S, Major A, Major B, bool Registers>
__global__ void __launch_bounds__(128)
    multiply([[maybe_unused]] float* d, [[maybe_unused]] const T* a, [[maybe_unused]] const T* b) {
#if GPU_HOPPER_CODE
  GPU_DYNAMIC_SHARED(unsigned char, shared);
  unsigned char *tile_a = shared, *tile_b = shared + 64 * 128;
  const Layout<T, S, A> layout_a{64};
  const Layout<T, S, B> layout_b{N};
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, g = lane / 4, t = lane % 4;
  for (int i = thread; i < 64 * depth<T>; i += 128) {  // a (row, k)
    *reinterpret_cast<T*>(tile_a + layout_a.place(i / depth<T>, i % depth<T>)) = a[i];
  }
  for (int i = thread; i < N * depth<T>; i += 128) {  // b (col, k)
    *reinterpret_cast<T*>(tile_b + layout_b.place(i / depth<T>, i % depth<T>)) = b[i];
  }
  ptx::fence_async();
  __syncthreads();
  float sums[N / 2];
  for (int i = 0; i < N / 2; ++i) sums[i] = 1e9f;  // the first product does not add
  ptx::wgmma_fence();
#pragma unroll
  for (int k = 0; k < depth<T>; k += step<T>) {
    if constexpr (Registers) {
      const auto* words = reinterpret_cast<const uint32_t*>(a + (thread / 32 * 16) * depth<T> + k);
      const uint32_t x[4] = {words[g * 32 + t], words[(g + 8) * 32 + t], words[g * 32 + t + 4],
                             words[(g + 8) * 32 + t + 4]};
      ptx::wgmma<T, N, B>(sums, x, layout_b.describe(tile_b, k), k > 0);
      ptx::wgmma_commit();
      ptx::wgmma_wait<0>();  // the registers of x are used again
      ptx::wgmma_fence();
    } else {
      ptx::wgmma<T, N, A, B>(sums, layout_a.describe(tile_a, k), layout_b.describe(tile_b, k), k > 0);
    }
  }
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>();
  for (int i = 0; i < N / 2; ++i) {
    const int row = thread / 32 * 16 + g + i / 2 % 2 * 8, col = i / 4 * 8 + t * 2 + i % 2;
    d[row * N + col] = sums[i];
  }
#endif
}

template <class T, int N, Swizzle S, Major A, Major B, bool Registers>
Result run() {
  const Array<T> a(integers<T>(64 * depth<T>, 11)), b(integers<T>(static_cast<size_t>(N) * depth<T>, 12));
  const Array<float> d(64 * N);
  GPU_LAUNCH((multiply<T, N, S, A, B, Registers>), 1, 128, static_cast<size_t>(64 + N) * 128, cudaStream_t{}, d.data(),
             a.data(), b.data());
  return {d.words()};
}

template <class T, int N, Swizzle S = Swizzle::bytes128, Major A = Major::k, Major B = Major::k, bool Registers = false>
void add(std::vector<Case>& cases) {
  constexpr const char* swizzles[] = {"none", "32", "64", "128"};
  std::string name = std::is_same_v<T, Half>    ? "wgmma_half"
                     : std::is_same_v<T, float> ? "wgmma_tf32"
                                                : "wgmma_bfloat16";
  name += "_n" + std::to_string(N) + "_swizzle_" + swizzles[static_cast<int>(S)];
  name += Registers ? "_registers" : A == Major::k ? "_k" : "_mn";
  name += B == Major::k ? "_k" : "_mn";
  cases.push_back({name, true, run<T, N, S, A, B, Registers>});
}

template <int... Sixteenths>
void add_sizes(std::vector<Case>& cases, std::integer_sequence<int, Sixteenths...>) {
  (..., add<BFloat16, (Sixteenths + 1) * 16>(cases));
}
template <Swizzle S>
void add_majors(std::vector<Case>& cases) {
  add<Half, 64, S, Major::k, Major::k>(cases);
  add<Half, 64, S, Major::k, Major::mn>(cases);
  add<Half, 64, S, Major::mn, Major::k>(cases);
  add<Half, 64, S, Major::mn, Major::mn>(cases);
}

}  // namespace

std::vector<Case> wgmma_cases() {
  std::vector<Case> cases;
  add_sizes(cases, std::make_integer_sequence<int, 16>());
  add_majors<Swizzle::none>(cases);
  add_majors<Swizzle::bytes32>(cases);
  add_majors<Swizzle::bytes64>(cases);
  add_majors<Swizzle::bytes128>(cases);
  add<BFloat16, 128, Swizzle::bytes128, Major::mn, Major::mn>(cases);
  add<BFloat16, 256, Swizzle::bytes128, Major::k, Major::mn>(cases);
  add<BFloat16, 256, Swizzle::bytes128, Major::mn, Major::k>(cases);
  add<BFloat16, 256, Swizzle::bytes128, Major::mn, Major::mn>(cases);
  add<float, 16>(cases);
  add<float, 64, Swizzle::none>(cases);
  add<float, 64, Swizzle::bytes32>(cases);
  add<float, 64, Swizzle::bytes64>(cases);
  add<float, 256>(cases);
  add<Half, 64, Swizzle::bytes128, Major::k, Major::k, true>(cases);
  add<Half, 128, Swizzle::bytes128, Major::k, Major::mn, true>(cases);
  add<BFloat16, 128, Swizzle::bytes128, Major::k, Major::k, true>(cases);
  add<float, 64, Swizzle::bytes128, Major::k, Major::k, true>(cases);
  return cases;
}

}  // namespace wrapper_test
