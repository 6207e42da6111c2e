// One optimizer step over all parameters of a group, in one launch. A block takes 16384 elements of one parameter;
// which ones, it finds in a table of jobs that is uploaded with the launch. Every array is read once and written once,
// 16 bytes at a time where they are aligned for it: bound by memory, 3 to 5 values per element for SGD, 7 for Adam.
// Half and bfloat16 are computed in float. Elements do not depend on each other, so the bits do not depend on the
// launch.
#include <fulmen/kernels/compute.h>
#include <fulmen/kernels/cuda.h>
#include <fulmen/kernels/cuda/global_memory.h>
#include <fulmen/kernels/cuda/math.h>
#include <fulmen/kernels/optim.h>

namespace fulmen::cuda {

namespace {

constexpr int threads = 256;
constexpr int64_t chunk = 16384;

struct Job {
  OptimSlice slice;
  int64_t first_block;
};

/// The numbers of a step, of which a captured graph finds some in device memory (AdamStep::live).
struct Numbers {
  double lr, bias_correction1, bias_correction2;
};
GPU_INLINE Numbers numbers_of(double lr, const double* live, const OptimSlice& s, int64_t slice) {
  if (!live) return {lr, s.bias_correction1, s.bias_correction2};
  return {live[0], live[1 + 2 * slice], live[2 + 2 * slice]};
}

/// g += weight_decay p;  b = momentum b + (1 - dampening) g;  p -= lr (nesterov ? g + momentum b : b)
template <class T>
struct Sgd {
  using C = Compute<T>;
  static constexpr int states = 1;
  C lr, decay, keep, add, from_grad, from_buffer, sign;
  bool first, plain;

  GPU_INLINE Sgd(const SgdStep& step, const OptimSlice& s, const Numbers& n)
      : lr(static_cast<C>(n.lr)),
        decay(static_cast<C>(step.weight_decay)),
        keep(static_cast<C>(step.momentum)),
        add(static_cast<C>(1 - step.dampening)),
        from_grad(step.nesterov ? C(1) : C(0)),
        from_buffer(step.nesterov ? static_cast<C>(step.momentum) : C(1)),
        sign(step.maximize ? C(-1) : C(1)),
        first(s.first),
        plain(!s.state1) {}
  GPU_INLINE bool uses(int) const { return !plain; }
  GPU_INLINE bool reads(int) const { return !plain && !first; }  // the first step writes the buffer only
  GPU_INLINE void operator()(C& p, C g, C (&state)[1]) const {
    g = sign * g + decay * p;
    if (plain) {
      p -= lr * g;
      return;
    }
    state[0] = first ? g : keep * state[0] + add * g;
    p -= lr * (from_grad * g + from_buffer * state[0]);
  }
};

/// m = lerp(m, g, 1 - beta1);  v = beta2 v + (1 - beta2) g^2;  p -= lr / bias1 * m / (sqrt(v) / sqrt(bias2) + eps)
template <class T>
struct Adam {
  using C = Compute<T>;
  static constexpr int states = 3;
  C shrink, decay, weight1, beta2, weight2, size, root2, eps, sign;
  bool amsgrad;

  GPU_INLINE Adam(const AdamStep& step, const OptimSlice&, const Numbers& n)
      : shrink(step.decoupled ? static_cast<C>(1 - n.lr * step.weight_decay) : C(1)),
        decay(step.decoupled ? C(0) : static_cast<C>(step.weight_decay)),
        weight1(static_cast<C>(1 - step.beta1)),
        beta2(static_cast<C>(step.beta2)),
        weight2(static_cast<C>(1 - step.beta2)),
        size(static_cast<C>(n.lr / n.bias_correction1)),
        root2(static_cast<C>(math::sqrt(n.bias_correction2))),
        eps(static_cast<C>(step.eps)),
        sign(step.maximize ? C(-1) : C(1)),
        amsgrad(step.amsgrad) {}
  GPU_INLINE bool uses(int i) const { return i < 2 || amsgrad; }
  GPU_INLINE bool reads(int i) const { return uses(i); }
  GPU_INLINE void operator()(C& p, C g, C (&state)[3]) const {
    p *= shrink;
    g = sign * g + decay * p;
    state[0] += weight1 * (g - state[0]);
    C v = state[1] = beta2 * state[1] + weight2 * g * g;
    if (amsgrad) v = state[2] = state[2] > v ? state[2] : v;
    p -= size * state[0] / (math::sqrt(v) / root2 + eps);
  }
};

template <class T, int N, class Rule>
GPU_INLINE void update_range(const OptimSlice& s, const Rule& rule, int64_t begin, int64_t end) {
  using C = Compute<T>;
  T* const state[] = {gpu::in_global_memory(static_cast<T*>(s.state1)),
                      gpu::in_global_memory(static_cast<T*>(s.state2)),
                      gpu::in_global_memory(static_cast<T*>(s.state3))};
  T* const param = gpu::in_global_memory(static_cast<T*>(s.param));
  const T* const grad = gpu::in_global_memory(static_cast<const T*>(s.grad));
  for (int64_t i = begin + N * static_cast<int64_t>(threadIdx.x); i < end; i += N * threads) {
    auto p = gpu::load_vec<N>(param + i);
    const auto g = gpu::load_vec<N>(grad + i);
    gpu::Vec<T, N> held[Rule::states]{};
#pragma unroll
    for (int k = 0; k < Rule::states; ++k) {
      if (rule.reads(k)) held[k] = gpu::load_vec<N>(state[k] + i);
    }
#pragma unroll
    for (int j = 0; j < N; ++j) {
      C value = static_cast<C>(p[j]), values[Rule::states];
#pragma unroll
      for (int k = 0; k < Rule::states; ++k) values[k] = rule.uses(k) ? static_cast<C>(held[k][j]) : C(0);
      rule(value, static_cast<C>(g[j]), values);
      p[j] = T(value);
#pragma unroll
      for (int k = 0; k < Rule::states; ++k) {
        if (rule.uses(k)) held[k][j] = T(values[k]);
      }
    }
    gpu::store_vec(param + i, p);
#pragma unroll
    for (int k = 0; k < Rule::states; ++k) {
      if (rule.uses(k)) gpu::store_vec(state[k] + i, held[k]);
    }
  }
}

template <class T, class Rule>
GPU_INLINE void update(const OptimSlice& s, const Rule& rule, int64_t begin, int64_t end) {
  constexpr int wide = gpu::vec_width<T>;
  bool aligned =
      gpu::aligned_for<wide>(static_cast<T*>(s.param)) && gpu::aligned_for<wide>(static_cast<const T*>(s.grad));
  const void* const states[] = {s.state1, s.state2, s.state3};
#pragma unroll
  for (int k = 0; k < Rule::states; ++k) {
    if (rule.uses(k)) aligned = aligned && gpu::aligned_for<wide>(static_cast<const T*>(states[k]));
  }
  const int64_t middle = aligned ? end - (end - begin) % wide : begin;
  update_range<T, wide>(s, rule, begin, middle);
  update_range<T, 1>(s, rule, middle, end);
}

/// The last job that starts at or before a block.
GPU_INLINE int64_t job_of(const Job* jobs, int64_t count, int64_t block) {
  int64_t low = 0, high = count - 1;
  while (low < high) {
    const int64_t middle = (low + high + 1) / 2;
    if (jobs[middle].first_block <= block) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

template <template <class> class Rule, class Step>
__global__ void __launch_bounds__(threads, 3) step_all(const Job* jobs, int64_t count, Step step) {
  const int64_t k = job_of(jobs, count, blockIdx.x);
  const OptimSlice s = jobs[k].slice;
  const int64_t begin = (blockIdx.x - jobs[k].first_block) * chunk;
  const int64_t end = begin + chunk < s.numel ? begin + chunk : s.numel;
  const Numbers numbers = numbers_of(step.lr, step.live, s, k);
  switch (s.dtype) {
    case ScalarType::Float:
      return update<float>(s, Rule<float>(step, s, numbers), begin, end);
    case ScalarType::Double:
      return update<double>(s, Rule<double>(step, s, numbers), begin, end);
    case ScalarType::Half:
      return update<Half>(s, Rule<Half>(step, s, numbers), begin, end);
    case ScalarType::BFloat16:
      return update<BFloat16>(s, Rule<BFloat16>(step, s, numbers), begin, end);
    default:
      return;
  }
}

/// Host memory for the table, which the launch copies.
class Table {
 public:
  Table(const OptimSlice* slices, int64_t count)
      : jobs(new Job[static_cast<size_t>(count)]), bytes(sizeof(Job) * count) {
    for (int64_t k = 0; k < count; ++k) {
      jobs[k] = {slices[k], blocks};
      blocks += (slices[k].numel + chunk - 1) / chunk;
    }
  }
  ~Table() { delete[] jobs; }
  Table(const Table&) = delete;
  Job* const jobs;
  const size_t bytes;
  int64_t blocks = 0;
};

template <template <class> class Rule, class Step>
void run(const Launch& launch, const OptimSlice* slices, int64_t count, const Step& step) {
  const Table table(slices, count);
  if (table.blocks == 0) return;
  const Workspace workspace(launch, table.bytes);
  upload(launch, workspace.data(), table.jobs, table.bytes);
  GPU_LAUNCH((step_all<Rule, Step>), static_cast<unsigned>(table.blocks), threads, 0, launch, workspace.as<Job>(),
             count, step);
}

}  // namespace

void sgd_step(const Launch& launch, const OptimSlice* slices, int64_t count, SgdStep step) {
  run<Sgd>(launch, slices, count, step);
}

void adam_step(const Launch& launch, const OptimSlice* slices, int64_t count, AdamStep step) {
  run<Adam>(launch, slices, count, step);
}

}  // namespace fulmen::cuda
