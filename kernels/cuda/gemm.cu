#include <fulmen/kernels/cuda/gemm_choice.h>
#include <fulmen/kernels/cuda/gemm_problem.h>
#include <fulmen/kernels/cuda/gemm_thin.h>
#include <fulmen/kernels/gemm_settings.h>

// c = activation(alpha a b + beta add) on the device: reads the layouts, merges the batch dimensions and hands the
// products to the kernels of their type, to that of thin ones, or to cuBLASLt. Sums are float for float16, bfloat16 and
// float, double for double; integers wrap. Any strides of a, b and add are accepted. Every run gives the same bits:
// what a block computes follows from sizes and layouts.
namespace fulmen::cuda {

namespace {

GemmStrides matrix_strides(const ConstView& v) {
  return v.data ? GemmStrides{v.stride(-2), v.stride(-1), {}} : GemmStrides{};
}

/// The batch dimensions, outermost first; two neighbours become one where every operand walks through both evenly.
void merge_batch(GemmProblem& p, const View& c, const ConstView& a, const ConstView& b, const ConstView& add) {
  p.batch_dims = 0;
  for (int d = 0; d < c.ndim - 2; ++d) {
    if (c.sizes[d] == 1) continue;
    int last = p.batch_dims - 1;
    auto continues = [&](const GemmStrides& strides, const ConstView& v) {
      return !v.data || strides.batch[last] == v.strides[d] * c.sizes[d];
    };
    if (last >= 0 && continues(p.a_strides, a) && continues(p.b_strides, b) && continues(p.add_strides, add)) {
      p.batch_sizes[last] *= c.sizes[d];
    } else {
      last = p.batch_dims++;
      p.batch_sizes[last] = c.sizes[d];
    }
    p.a_strides.batch[last] = a.strides[d];
    p.b_strides.batch[last] = b.strides[d];
    p.add_strides.batch[last] = add.data ? add.strides[d] : 0;
  }
}

/// Whether cuBLASLt computed the products.
bool computed_by_cublas(const Launch& launch, const GemmProblem& p, ScalarType dtype, const GemmSettings& settings) {
  if (settings.backend == GemmBackend::own || !is_floating_point(dtype)) return false;
  const bool tf32 = settings.allow_tf32 && dtype == ScalarType::Float,
             demanded = settings.backend == GemmBackend::cublas;
  if (!demanded) {
    const double multiply_adds = static_cast<double>(p.batches * p.rows) * static_cast<double>(p.cols * p.depth);
    if (!cublas_is_faster(dtype, tf32, processor(launch).capability, multiply_adds)) return false;
  }
  return gemm_on_cublas(launch, p, dtype, tf32, demanded);
}

}  // namespace

void gemm(const Launch& launch, const View& c, const ConstView& a, const ConstView& b, const ConstView& add,
          GemmEnd end) {
  if (c.numel == 0) return;
  GemmProblem p{};
  p.rows = c.size(-2), p.cols = c.size(-1), p.depth = a.size(-1);
  p.batches = c.numel / (p.rows * p.cols);
  p.a = a.data, p.b = b.data, p.add = add.data, p.c = c.data;
  p.a_strides = matrix_strides(a), p.b_strides = matrix_strides(b), p.add_strides = matrix_strides(add);
  merge_batch(p, c, a, b, add);
  p.alpha = end.alpha, p.beta = end.beta, p.activation = end.activation, p.a_sums = end.a_sums;
  const GemmSettings settings = gemm_settings();
  if (computed_by_cublas(launch, p, c.dtype, settings)) return;
  if (gemm_of_few(launch, p, c.dtype)) return;
  switch (c.dtype) {
    case ScalarType::Float:
      return settings.allow_tf32 ? gemm_of_tf32(launch, p) : gemm_of_floats(launch, p);
    case ScalarType::Double:
      return gemm_of_doubles(launch, p);
    case ScalarType::Half:
    case ScalarType::BFloat16:
      return gemm_of_halves(launch, p, c.dtype);
    default:
      return gemm_of_integers(launch, p, c.dtype);
  }
}

}  // namespace fulmen::cuda
