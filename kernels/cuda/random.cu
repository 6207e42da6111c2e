// Random numbers from Philox4x32-10, the draws of kernels/random.h: what element i becomes depends on the generator's
// place and on i alone, not on the launch. A thread makes the four elements of a subsequence with one block of four
// words, or two blocks for 64-bit draws. y is contiguous and is written once: bound by memory for 4-byte elements and
// more, by the 10 rounds (about 60 integer instructions per 4 elements) below.
#include <fulmen/kernels/compute.h>
#include <fulmen/kernels/cuda.h>
#include <fulmen/kernels/cuda/gpu.h>
#include <fulmen/kernels/cuda/key_sort.h>
#include <fulmen/kernels/cuda/math.h>
#include <fulmen/kernels/random.h>

namespace fulmen::cuda {

namespace {

constexpr int threads = 256;

GPU_INLINE uint64_t wide_draw(uint32_t upper, uint32_t lower) { return static_cast<uint64_t>(upper) << 32 | lower; }
/// A 64-bit draw as a uniform number in [0, 1).
GPU_INLINE double wide_unit(uint64_t draw) { return static_cast<double>(draw >> 11) * 0x1p-53; }

/// The four 64-bit draws of a subsequence.
struct WideDraws {
  uint64_t draw[4];
  GPU_INLINE WideDraws(const PhiloxPlace& place, int64_t subsequence) {
    for (int half = 0; half < 2; ++half) {
      const PhiloxBlock b = philox(place, static_cast<uint64_t>(subsequence), static_cast<uint64_t>(half));
      draw[2 * half] = wide_draw(b.word[0], b.word[1]);
      draw[2 * half + 1] = wide_draw(b.word[2], b.word[3]);
    }
  }
};

/// Four uniform numbers in [0, 1) with the bits of R's mantissa.
template <class R>
struct Units {
  R unit[4];
  GPU_INLINE Units(const PhiloxPlace& place, int64_t subsequence) {
    if constexpr (std::is_same_v<R, double>) {
      const WideDraws wide(place, subsequence);
      for (int i = 0; i < 4; ++i) unit[i] = wide_unit(wide.draw[i]);
    } else {
      const PhiloxBlock b = philox(place, static_cast<uint64_t>(subsequence), 0);
      for (int i = 0; i < 4; ++i) unit[i] = static_cast<float>(b.word[i] >> 8) * 0x1p-24f;
    }
  }
};

/// y[4 s .. 4 s + 3] = make(place, s)
template <class T, class Make>
__global__ void __launch_bounds__(threads) fill_random(T* y, int64_t n, PhiloxPlace place, Make make) {
  for (int64_t s = gpu::thread_index(); 4 * s < n; s += gpu::thread_count()) {
    T four[4];
    make(place, s, four);
    for (int i = 0; i < 4; ++i) {
      if (4 * s + i < n) y[4 * s + i] = four[i];
    }
  }
}
template <class T, class Make>
void run(const Launch& launch, const View& y, const RandomStream& stream, const Make& make) {
  if (y.numel == 0) return;
  GPU_LAUNCH((fill_random<T, Make>), gpu::blocks_for(y.numel, 4 * threads, 4096), threads, 0, launch, y.as<T>(),
             y.numel, stream.philox, make);
}

template <class T>
struct Uniform {
  Compute<T> from, to;
  GPU_INLINE void operator()(const PhiloxPlace& place, int64_t s, T (&y)[4]) const {
    const Units<Compute<T>> u(place, s);
    for (int i = 0; i < 4; ++i) {
      const T value(u.unit[i] * (to - from) + from);
      y[i] = static_cast<Compute<T>>(value) == to ? T(from) : value;  // rounding may reach the excluded end
    }
  }
};

template <class T>
struct Normal {
  Compute<T> mean, std;
  GPU_INLINE void operator()(const PhiloxPlace& place, int64_t s, T (&y)[4]) const {
    using R = Compute<T>;
    const Units<R> u(place, s);
    for (int i = 0; i < 4; i += 2) {
      const R radius = math::sqrt(R(-2) * math::log1p(-u.unit[i])), half_turns = R(2) * u.unit[i + 1];
      y[i] = T(radius * math::cospi(half_turns) * std + mean);
      y[i + 1] = T(radius * math::sinpi(half_turns) * std + mean);
    }
  }
};

template <class T>
struct Exponential {
  Compute<T> lambda;
  GPU_INLINE void operator()(const PhiloxPlace& place, int64_t s, T (&y)[4]) const {
    const Units<Compute<T>> u(place, s);
    for (int i = 0; i < 4; ++i) y[i] = T(-math::log1p(-u.unit[i]) / lambda);
  }
};

template <class T>
struct Integers {
  IntegerRange integers;
  GPU_INLINE void operator()(const PhiloxPlace& place, int64_t s, T (&y)[4]) const {
    if (integers.wide) {
      const WideDraws wide(place, s);
      for (int i = 0; i < 4; ++i) y[i] = made_of(integers.range ? wide.draw[i] % integers.range : wide.draw[i]);
    } else {
      const PhiloxBlock b = philox(place, static_cast<uint64_t>(s), 0);
      for (int i = 0; i < 4; ++i) y[i] = made_of(integers.range ? b.word[i] % integers.range : b.word[i]);
    }
  }
  GPU_INLINE T made_of(uint64_t value) const {
    return converted<T>(static_cast<int64_t>(value + static_cast<uint64_t>(integers.base)));
  }
};

/// p for all, or p[i] for each.
template <class T>
struct Bernoulli {
  double p;
  const T* each;
  int64_t n;
  GPU_INLINE void operator()(const PhiloxPlace& place, int64_t s, T (&y)[4]) const {
    const Units<double> u(place, s);
    for (int i = 0; i < 4; ++i) {
      double probability = p;
      if (each && 4 * s + i < n) probability = static_cast<double>(each[4 * s + i]);
      y[i] = converted<T>(u.unit[i] < probability ? 1 : 0);
    }
  }
};

// --- permutations: the positions of sorted draws

struct Draws {
  GPU_INLINE void operator()(const PhiloxPlace& place, int64_t s, uint64_t (&y)[4]) const {
    const WideDraws wide(place, s);
    for (int i = 0; i < 4; ++i) y[i] = wide.draw[i];
  }
};

template <class T>
__global__ void __launch_bounds__(threads) take_positions(T* y, const int64_t* positions, int64_t n) {
  for (int64_t i = gpu::thread_index(); i < n; i += gpu::thread_count()) y[i] = converted<T>(positions[i]);
}

// --- choices

/// sums[row, c] = weights[row, 0] + ... + weights[row, c], in double; a block per row, each thread a run of columns.
template <class T>
__global__ void __launch_bounds__(threads) running_sums(double* sums, const T* weights, int64_t cols) {
  __shared__ double before[threads];
  const int64_t row = static_cast<int64_t>(blockIdx.x) * cols, run = (cols + threads - 1) / threads;
  const auto t = static_cast<int>(threadIdx.x);
  const int64_t begin = t * run < cols ? t * run : cols, end = begin + run < cols ? begin + run : cols;
  double sum = 0;
  for (int64_t c = begin; c < end; ++c) sums[row + c] = sum += static_cast<double>(weights[row + c]);
  before[t] = sum;
  __syncthreads();
  double start = 0;
  for (int i = 0; i < t; ++i) start += before[i];
  for (int64_t c = begin; c < end; ++c) sums[row + c] += start;
}

/// y[r, s] = the first column whose running sum exceeds the draw.
__global__ void __launch_bounds__(threads)
    choose(int64_t* y, const double* sums, int64_t count, int64_t samples, int64_t cols, PhiloxPlace place) {
  for (int64_t i = gpu::thread_index(); i < count; i += gpu::thread_count()) {
    const PhiloxBlock b = philox(place, static_cast<uint64_t>(i / 4), static_cast<uint64_t>(i / 2 % 2));
    const bool second = i % 2 != 0;
    const double unit = wide_unit(wide_draw(second ? b.word[2] : b.word[0], second ? b.word[3] : b.word[1]));
    const double* row = sums + i / samples * cols;
    const double wanted = unit * row[cols - 1];
    int64_t low = 0, high = cols - 1;
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (row[middle] > wanted) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    // Rounding may reach the sum itself; columns of weight 0 at the end must not be chosen.
    while (low > 0 && row[low] == row[low - 1]) --low;
    y[i] = low;
  }
}

}  // namespace

void random_uniform(const Launch& launch, View y, double from, double to, RandomStream stream) {
  for_real(y.dtype, [&]<class T>(T*) {
    run<T>(launch, y, stream, Uniform<T>{static_cast<Compute<T>>(from), static_cast<Compute<T>>(to)});
  });
}

void random_normal(const Launch& launch, View y, double mean, double std, bool, RandomStream stream) {
  for_real(y.dtype, [&]<class T>(T*) {
    run<T>(launch, y, stream, Normal<T>{static_cast<Compute<T>>(mean), static_cast<Compute<T>>(std)});
  });
}

void random_exponential(const Launch& launch, View y, double lambda, RandomStream stream) {
  for_real(y.dtype, [&]<class T>(T*) { run<T>(launch, y, stream, Exponential<T>{static_cast<Compute<T>>(lambda)}); });
}

void random_integers(const Launch& launch, View y, IntegerRange integers, RandomStream stream) {
  for_dtype(y.dtype, [&]<class T>(T*) { run<T>(launch, y, stream, Integers<T>{integers}); });
}

void random_bernoulli(const Launch& launch, View y, double p, RandomStream stream) {
  for_dtype(y.dtype, [&]<class T>(T*) { run<T>(launch, y, stream, Bernoulli<T>{p, nullptr, y.numel}); });
}

void random_bernoulli_each(const Launch& launch, View y, ConstView p, RandomStream stream) {
  for_real(y.dtype, [&]<class T>(T*) { run<T>(launch, y, stream, Bernoulli<T>{0, p.as<T>(), y.numel}); });
}

void random_permutation(const Launch& launch, View y, RandomStream stream) {
  const int64_t n = y.numel;
  if (n == 0) return;
  gpu::KeySort<uint64_t> order(launch, 1, n);
  GPU_LAUNCH((fill_random<uint64_t, Draws>), gpu::blocks_for(n, 4 * threads, 4096), threads, 0, launch, order.keys(), n,
             stream.philox, Draws{});
  order.run();
  for_dtype(y.dtype, [&]<class T>(T*) {
    GPU_LAUNCH(take_positions<T>, gpu::blocks_for(n, threads, 4096), threads, 0, launch, y.as<T>(), order.positions(),
               n);
  });
}

void random_choices(const Launch& launch, View y, ConstView weights, View, RandomStream stream) {
  const int64_t cols = weights.size(-1), samples = y.size(-1);
  if (y.numel == 0) return;
  const int64_t rows = y.numel / samples;
  const Workspace workspace(launch, static_cast<size_t>(rows * cols) * sizeof(double));
  double* sums = workspace.as<double>();
  for_real(weights.dtype, [&]<class T>(T*) {
    GPU_LAUNCH(running_sums<T>, static_cast<unsigned>(rows), threads, 0, launch, sums, weights.as<T>(), cols);
  });
  GPU_LAUNCH(choose, gpu::blocks_for(y.numel, threads, 4096), threads, 0, launch, y.as<int64_t>(), sums, y.numel,
             samples, cols, stream.philox);
}

}  // namespace fulmen::cuda
