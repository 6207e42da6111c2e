#pragma once
#include <fulmen/tensor/tensor.h>

// Random tensors. On the CPU every function draws PyTorch's numbers, bit for bit: the same manual_seed gives the same
// tensors as there. Without a generator the default one is used. Sizes and options as in ops/creation.h.
namespace fulmen {

using OptionalGenerator = std::optional<Generator>;

/// Uniform in [0, 1); floating-point dtypes.
Tensor rand(IntArrayRef sizes, const TensorOptions& options = {});
Tensor rand(IntArrayRef sizes, OptionalGenerator generator, const TensorOptions& options = {});
Tensor rand_like(const Tensor& x, const TensorOptions& options = {});
/// Normal with mean 0 and variance 1; floating-point dtypes.
Tensor randn(IntArrayRef sizes, const TensorOptions& options = {});
Tensor randn(IntArrayRef sizes, OptionalGenerator generator, const TensorOptions& options = {});
Tensor randn_like(const Tensor& x, const TensorOptions& options = {});
/// Integers in [low, high), int64 unless a dtype is given. Throws if low >= high.
Tensor randint(int64_t high, IntArrayRef sizes, const TensorOptions& options = {});
Tensor randint(int64_t low, int64_t high, IntArrayRef sizes, const TensorOptions& options = {});
Tensor randint(int64_t low, int64_t high, IntArrayRef sizes, OptionalGenerator generator,
               const TensorOptions& options = {});
Tensor randint_like(const Tensor& x, int64_t high, const TensorOptions& options = {});
Tensor randint_like(const Tensor& x, int64_t low, int64_t high, const TensorOptions& options = {});
/// 0 .. n - 1 in random order, int64 unless a dtype is given, which must be able to hold n.
Tensor randperm(int64_t n, const TensorOptions& options = {});
Tensor randperm(int64_t n, OptionalGenerator generator, const TensorOptions& options = {});

/// Normal numbers; mean and std broadcast. Throws for a negative std.
Tensor normal(double mean, double std, IntArrayRef sizes, OptionalGenerator generator = std::nullopt,
              const TensorOptions& options = {});
Tensor normal(const Tensor& mean, double std = 1, OptionalGenerator generator = std::nullopt);
Tensor normal(double mean, const Tensor& std, OptionalGenerator generator = std::nullopt);
Tensor normal(const Tensor& mean, const Tensor& std, OptionalGenerator generator = std::nullopt);
/// 1 with probability p[i] (floating point, in [0, 1]), else 0; p's dtype.
Tensor bernoulli(const Tensor& p, OptionalGenerator generator = std::nullopt);
/// 1 with probability p, else 0; sizes and dtype of x.
Tensor bernoulli(const Tensor& x, double p, OptionalGenerator generator = std::nullopt);
/// Column numbers (int64, [rows, num_samples] or [num_samples]) drawn in proportion to `weights` ([rows, cols] or
/// [cols], floating point, not negative, a positive sum per row).
Tensor multinomial(const Tensor& weights, int64_t num_samples, bool replacement = false,
                   OptionalGenerator generator = std::nullopt);

}  // namespace fulmen
