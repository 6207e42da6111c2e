#include <fulmen/kernels/cpu/parallel.h>
#include <fulmen/kernels/optim.h>

#include <cmath>

// One pass over all parameters of an optimizer: every array is read once and written once. Memory-bound: SGD moves 3 to
// 5 values per element, Adam 7. Half and bfloat16 are computed in float32. Elements do not depend on each other, so any
// split among threads gives the same bits.
namespace fulmen::FULMEN_ISA {

namespace {

constexpr int64_t grain = 16 * 1024;  // elements; below, starting threads costs more than the work

template <class T>
struct Compute {
  using type = float;
};
template <>
struct Compute<double> {
  using type = double;
};

template <class T>
void sgd_range(const OptimSlice& s, const SgdStep& step, int64_t begin, int64_t end) {
  using C = typename Compute<T>::type;
  T* __restrict param = static_cast<T*>(s.param);
  const T* __restrict grad = static_cast<const T*>(s.grad);
  T* __restrict buffer = static_cast<T*>(s.state1);
  const C lr = C(step.lr), decay = C(step.weight_decay), momentum = C(step.momentum);
  const C fresh = C(1 - step.dampening), sign = step.maximize ? C(-1) : C(1);
  if (!buffer) {
    for (int64_t i = begin; i < end; ++i) {
      const C p = C(param[i]);
      param[i] = T(p - lr * (sign * C(grad[i]) + decay * p));
    }
    return;
  }
  const C keep = s.first ? C(0) : momentum, add = s.first ? C(1) : fresh;
  const C from_grad = step.nesterov ? C(1) : C(0), from_buffer = step.nesterov ? momentum : C(1);
  for (int64_t i = begin; i < end; ++i) {
    const C p = C(param[i]), g = sign * C(grad[i]) + decay * p;
    const C b = s.first ? g : keep * C(buffer[i]) + add * g;
    buffer[i] = T(b);
    param[i] = T(p - lr * (from_grad * g + from_buffer * b));
  }
}

template <class T, bool amsgrad>
void adam_range(const OptimSlice& s, const AdamStep& step, int64_t begin, int64_t end) {
  using C = typename Compute<T>::type;
  T* __restrict param = static_cast<T*>(s.param);
  const T* __restrict grad = static_cast<const T*>(s.grad);
  T* __restrict mean = static_cast<T*>(s.state1);
  T* __restrict square = static_cast<T*>(s.state2);
  T* __restrict largest = static_cast<T*>(s.state3);
  const C shrink = step.decoupled ? C(1 - step.lr * step.weight_decay) : C(1);
  const C decay = step.decoupled ? C(0) : C(step.weight_decay);
  const C weight1 = C(1 - step.beta1), beta2 = C(step.beta2), weight2 = C(1 - step.beta2);
  const C size = C(step.lr / s.bias_correction1), root2 = C(std::sqrt(s.bias_correction2)), eps = C(step.eps);
  const C sign = step.maximize ? C(-1) : C(1);
  for (int64_t i = begin; i < end; ++i) {
    const C p = C(param[i]) * shrink, g = sign * C(grad[i]) + decay * p;
    const C m = C(mean[i]) + weight1 * (g - C(mean[i]));
    C v = beta2 * C(square[i]) + weight2 * g * g;
    mean[i] = T(m);
    square[i] = T(v);
    if constexpr (amsgrad) {
      v = C(largest[i]) > v ? C(largest[i]) : v;
      largest[i] = T(v);
    }
    param[i] = T(p - size * m / (std::sqrt(v) / root2 + eps));
  }
}

// f(slice, begin, end) for all elements of all slices, which are counted through as one long array.
template <class F>
void for_each_part(const OptimSlice* slices, int64_t count, const F& f) {
  int64_t total = 0;
  for (int64_t k = 0; k < count; ++k) total += slices[k].numel;
  parallel_for(total, grain, [&](int64_t begin, int64_t end) {
    int64_t start = 0;
    for (int64_t k = 0; k < count && start < end; ++k) {
      const int64_t first = begin > start ? begin - start : 0;
      const int64_t last = end - start < slices[k].numel ? end - start : slices[k].numel;
      if (first < last) f(slices[k], first, last);
      start += slices[k].numel;
    }
  });
}

}  // namespace

void sgd_step(const Launch&, const OptimSlice* slices, int64_t count, SgdStep step) {
  for_each_part(slices, count, [&](const OptimSlice& s, int64_t begin, int64_t end) {
    switch (s.dtype) {
      case ScalarType::Float:
        return sgd_range<float>(s, step, begin, end);
      case ScalarType::Double:
        return sgd_range<double>(s, step, begin, end);
      case ScalarType::Half:
        return sgd_range<Half>(s, step, begin, end);
      case ScalarType::BFloat16:
        return sgd_range<BFloat16>(s, step, begin, end);
      default:
        return;
    }
  });
}

void adam_step(const Launch&, const OptimSlice* slices, int64_t count, AdamStep step) {
  for_each_part(slices, count, [&](const OptimSlice& s, int64_t begin, int64_t end) {
    const auto run = [&]<class T>(T) {
      return step.amsgrad ? adam_range<T, true>(s, step, begin, end) : adam_range<T, false>(s, step, begin, end);
    };
    switch (s.dtype) {
      case ScalarType::Float:
        return run(float());
      case ScalarType::Double:
        return run(double());
      case ScalarType::Half:
        return run(Half());
      case ScalarType::BFloat16:
        return run(BFloat16());
      default:
        return;
    }
  });
}

}  // namespace fulmen::FULMEN_ISA
