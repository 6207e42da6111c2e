#pragma once
#include <fulmen/kernels/conv_axes.h>
#include <fulmen/kernels/cuda/gemm_problem.h>
#include <fulmen/kernels/cuda/places.h>

// Convolutions as matrix products whose second factor, the matrix of all patches, is read where it lies: what the
// kernels know about the source, the places of the outputs and the taps.
namespace fulmen::cuda {

/// The place of an output of a walk, over all images.
struct ConvPlace {
  int image, z, y, x;
};
/// What a tap adds to the place it reads for an output; `offset` is its channel's.
struct ConvTap {
  int64_t offset;
  int z, y, x;
};

/// A walk over a source (kernels/conv_axes.h), as a kernel parameter. Numbers of places and taps fit into 31 bits.
struct ConvSource {
  const void* data;
  int64_t image, group, plane;  ///< elements of an image, of a group's channels, of a channel
  int size[3], step[3], tap_step[3], first[3];
  int outputs[3], taps[3];
  int depth;  ///< channels times taps
  gpu::Divider by_outputs[3], by_taps[3];

  // Where results go.
  void* result;
  const void* bias;
  int64_t result_image, result_plane;
  int result_size[3], out_step[3], out_first[3];

  GPU_INLINE ConvPlace place(int64_t number) const {
    auto rest = static_cast<uint32_t>(number);
    int at[3];
#pragma unroll
    for (int d = 2; d >= 0; --d) {
      const uint32_t quotient = by_outputs[d].quotient(rest);
      at[d] = static_cast<int>(rest - quotient * static_cast<uint32_t>(outputs[d]));
      rest = quotient;
    }
    return {static_cast<int>(rest), at[0], at[1], at[2]};
  }
  GPU_INLINE void next(ConvPlace& p) const {
    if (++p.x < outputs[2]) return;
    p.x = 0;
    if (++p.y < outputs[1]) return;
    p.y = 0;
    if (++p.z < outputs[0]) return;
    p.z = 0;
    ++p.image;
  }
  GPU_INLINE ConvTap tap(int number) const {
    constexpr int nowhere = -(1 << 30);
    if (number >= depth) return {0, nowhere, 0, 0};
    auto rest = static_cast<uint32_t>(number);
    int at[3];
#pragma unroll
    for (int d = 2; d >= 0; --d) {
      const uint32_t quotient = by_taps[d].quotient(rest);
      at[d] = static_cast<int>(rest - quotient * static_cast<uint32_t>(taps[d])) * tap_step[d] + first[d];
      rest = quotient;
    }
    return {static_cast<int64_t>(rest) * plane, at[0], at[1], at[2]};
  }
  /// `base`: the group's channels of image 0.
  template <class S>
  GPU_INLINE S read(const S* base, const ConvPlace& p, const ConvTap& t) const {
    const int z = p.z * step[0] + t.z, y = p.y * step[1] + t.y, x = p.x * step[2] + t.x;
    if (z < 0 || z >= size[0] || y < 0 || y >= size[1] || x < 0 || x >= size[2]) return S(0.0f);
    return base[p.image * image + t.offset + (int64_t{z} * size[1] + y) * size[2] + x];
  }
  template <class S>
  GPU_INLINE const S* group_base(int64_t g) const {
    return static_cast<const S*>(data) + g * group;
  }
  GPU_INLINE int64_t result_offset(const ConvPlace& p) const {
    const int z = p.z * out_step[0] + out_first[0], y = p.y * out_step[1] + out_first[1],
              x = p.x * out_step[2] + out_first[2];
    return p.image * result_image + (int64_t{z} * result_size[1] + y) * result_size[2] + x;
  }
};

inline ConvSource conv_source(const ConvWalk (&walks)[3], const void* data, int64_t groups, int64_t channels) {
  ConvSource s{};
  s.data = data;
  s.plane = 1;
  int64_t depth = channels;
  for (int d = 0; d < 3; ++d) {
    const ConvWalk& w = walks[d];
    s.plane *= w.in_size;
    depth *= w.taps;
    s.size[d] = static_cast<int>(w.in_size);
    s.step[d] = static_cast<int>(w.in_step);
    s.tap_step[d] = static_cast<int>(w.tap_step);
    s.first[d] = static_cast<int>(w.in_first);
    s.outputs[d] = static_cast<int>(w.outputs);
    s.taps[d] = static_cast<int>(w.taps);
    s.by_outputs[d] = gpu::Divider::by(w.outputs);
    s.by_taps[d] = gpu::Divider::by(w.taps < 1 ? 1 : w.taps);
    s.out_step[d] = static_cast<int>(w.out_step);
    s.out_first[d] = static_cast<int>(w.out_first);
  }
  s.depth = static_cast<int>(depth);
  s.group = channels * s.plane;
  s.image = groups * s.group;
  return s;
}

/// Where the sums of one group's product go: rows are channels of the result, columns places of all images.
template <class S, class T>
struct ConvResult {
  const ConvSource& source;
  S* result;
  const S* bias;
  T* partial;
  int64_t rows, cols;

  GPU_INLINE ConvResult(const GemmProblem& p, const ConvSource& s, int64_t group, int split)
      : source(s),
        result(static_cast<S*>(s.result) + group * p.rows * s.result_plane),
        bias(s.bias ? static_cast<const S*>(s.bias) + group * p.rows : nullptr),
        partial(p.splits > 1 ? static_cast<T*>(p.partial) + (split * p.batches + group) * p.rows * p.cols : nullptr),
        rows(p.rows),
        cols(p.cols) {}

  template <int N>
  GPU_INLINE void put(int64_t i, int64_t j, const T (&sums)[N]) const {
    if (i >= rows || j >= cols) return;
    if (partial) {
#pragma unroll
      for (int n = 0; n < N; ++n) {
        if (j + n < cols) partial[i * cols + j + n] = sums[n];
      }
      return;
    }
    const T more = bias ? static_cast<T>(bias[i]) : T(0);
    S* plane = result + i * source.result_plane;
    ConvPlace place = source.place(j);
#pragma unroll
    for (int n = 0; n < N; ++n) {
      if (j + n < cols) plane[source.result_offset(place)] = static_cast<S>(sums[n] + more);
      source.next(place);
    }
  }
};

/// Adds up the parts of a product whose depth was shared, in order.
template <class S, class T>
__global__ void __launch_bounds__(256) sum_of_conv_splits(const GemmProblem p, const ConvSource s) {
  const int64_t elements = p.rows * p.cols, total = p.batches * elements;
  for (int64_t e = gpu::thread_index(); e < total; e += gpu::thread_count()) {
    T sum[1] = {};
    for (int k = 0; k < p.splits; ++k) sum[0] += static_cast<const T*>(p.partial)[k * total + e];
    ConvResult<S, T> result(p, s, e / elements, 0);
    result.partial = nullptr;
    result.put(e % elements / p.cols, e % p.cols, sum);
  }
}

/// Runs a kernel over tiles, and what adds up its parts. Weight: the result is a weight, a matrix per group.
template <class S, class T, bool Weight>
inline void launch_conv(const Launch& launch, GemmProblem p, const ConvSource& s,
                        void (*kernel)(GemmProblem, ConvSource), int threads, size_t shared_bytes) {
  const Workspace parts(launch, partial_elements(p) * sizeof(T));
  p.partial = parts.data();
  GPU_LAUNCH(kernel, gemm_blocks(p), threads, shared_bytes, launch, p, s);
  if (p.splits == 1) return;
  const unsigned blocks = gpu::blocks_for(p.batches * p.rows * p.cols, 256, 4096);
  if constexpr (Weight) {
    GPU_LAUNCH((sum_of_splits<S, T>), blocks, 256, 0, launch, p);
  } else {
    GPU_LAUNCH((sum_of_conv_splits<S, T>), blocks, 256, 0, launch, p, s);
  }
}

/// The products, by type: p.a is the weight as [groups][rows][depth] for results of a walk; for a weight it is y, and
/// rows are its channels. p.batches are groups.
void conv_of_floats(const Launch& launch, GemmProblem p, const ConvSource& s, bool weight);
void conv_of_doubles(const Launch& launch, GemmProblem p, const ConvSource& s, bool weight);
/// float16 and bfloat16, and float rounded to TF32.
void conv_on_matrix_units(const Launch& launch, GemmProblem p, const ConvSource& s, bool weight, ScalarType dtype);

}  // namespace fulmen::cuda
