#include <fulmen/kernels/compute.h>
#include <fulmen/kernels/cuda/places.h>
#include <fulmen/kernels/rotary.h>

// Rotates pairs of numbers by angles that are shared by heads and batches. A thread has one pair: two loads of x, under
// way together with the two of its angle, which come from the cache. Computed in float32 (float64 for double). Any
// strides. Bound by memory: 2 s n.
namespace fulmen::cuda {

namespace {

using gpu::Places;

template <class S>
__global__ void __launch_bounds__(256) rotate(S* y, const S* x, const Compute<S>* cos, const Compute<S>* sin,
                                              Places<4> places, int64_t y_apart, int64_t x_apart, bool backwards) {
  using T = Compute<S>;
  for (int64_t pair = gpu::thread_index(); pair < places.items; pair += gpu::thread_count()) {
    int64_t at[4];
    places.at(pair, at);
    const T a = static_cast<T>(x[at[1]]), b = static_cast<T>(x[at[1] + x_apart]);
    const T c = cos[at[2]], s = backwards ? -sin[at[3]] : sin[at[3]];
    y[at[0]] = static_cast<S>(a * c - b * s);
    y[at[0] + y_apart] = static_cast<S>(a * s + b * c);
  }
}

}  // namespace

void rotate_pairs(const Launch& launch, const View& y, const ConstView& x, const ConstView& cos, const ConstView& sin,
                  int64_t y_apart, int64_t x_apart, bool backwards) {
  if (y.numel == 0) return;
  const Places<4> places(layout_of(y, {&x, &cos, &sin}));
  for_real(y.dtype, [&]<class S>(S*) {
    GPU_LAUNCH(rotate<S>, gpu::blocks_for(places.items, 256, 1 << 20), 256, 0, launch, y.as<S>(), x.as<S>(),
               cos.as<Compute<S>>(), sin.as<Compute<S>>(), places, y_apart, x_apart, backwards);
  });
}

}  // namespace fulmen::cuda
