#pragma once
#include <fulmen/tensor/tensor.h>

// Tensors from nothing. Where no dtype is given the default dtype is taken (get_default_dtype), where no device is
// given the CPU. Sizes are non-negative; every function throws for a negative one and for more elements than memory can
// hold.
namespace fulmen {

/// Uninitialised memory.
Tensor empty(IntArrayRef sizes, const TensorOptions& options = {});
Tensor zeros(IntArrayRef sizes, const TensorOptions& options = {});
Tensor ones(IntArrayRef sizes, const TensorOptions& options = {});
/// Every element `value`. Without a dtype: bool for a truth value, int64 for an integer, else the default dtype.
Tensor full(IntArrayRef sizes, const Scalar& value, const TensorOptions& options = {});
/// A 0-dimensional tensor; the default dtype unless one is given.
Tensor scalar_tensor(const Scalar& value, const TensorOptions& options = {});

/// Sizes, dtype and device of x, where `options` does not say otherwise.
Tensor empty_like(const Tensor& x, const TensorOptions& options = {});
Tensor zeros_like(const Tensor& x, const TensorOptions& options = {});
Tensor ones_like(const Tensor& x, const TensorOptions& options = {});
Tensor full_like(const Tensor& x, const Scalar& value, const TensorOptions& options = {});

/// start, start + step, ... below `end` (above, for a negative step): 1-d. Without a dtype: int64 if all numbers are
/// integers, else the default dtype.
Tensor arange(const Scalar& end, const TensorOptions& options = {});
Tensor arange(const Scalar& start, const Scalar& end, const TensorOptions& options = {});
Tensor arange(const Scalar& start, const Scalar& end, const Scalar& step, const TensorOptions& options = {});
/// `steps` numbers evenly spaced from start to end, both included.
Tensor linspace(const Scalar& start, const Scalar& end, int64_t steps, const TensorOptions& options = {});
/// base to the power of linspace(start, end, steps).
Tensor logspace(const Scalar& start, const Scalar& end, int64_t steps, double base = 10,
                const TensorOptions& options = {});
/// Ones on the diagonal of a rows x cols matrix, zeros elsewhere.
Tensor eye(int64_t n, const TensorOptions& options = {});
Tensor eye(int64_t rows, int64_t cols, const TensorOptions& options = {});

/// A tensor over memory that somebody else owns and that must outlive it. Strides count elements.
Tensor from_blob(void* data, IntArrayRef sizes, const TensorOptions& options = {});
Tensor from_blob(void* data, IntArrayRef sizes, IntArrayRef strides, const TensorOptions& options = {});
/// As above; `owner` is destroyed when the last tensor over the memory is gone.
Tensor from_owned_blob(void* data, IntArrayRef sizes, IntArrayRef strides, MemoryOwner* owner,
                       const TensorOptions& options);
/// As above; `deleter(data)` runs when the last tensor over the memory is gone.
template <class Deleter>
requires std::is_invocable_v<Deleter&, void*> Tensor from_blob(void* data, IntArrayRef sizes, Deleter&& deleter,
                                                               const TensorOptions& options = {}) {
  using Owner = DeleterOwner<std::decay_t<Deleter>>;
  return from_owned_blob(data, sizes, {}, new Owner(data, std::forward<Deleter>(deleter)), options);
}
template <class Deleter>
requires std::is_invocable_v<Deleter&, void*> Tensor from_blob(void* data, IntArrayRef sizes, IntArrayRef strides,
                                                               Deleter&& deleter, const TensorOptions& options = {}) {
  using Owner = DeleterOwner<std::decay_t<Deleter>>;
  return from_owned_blob(data, sizes, strides, new Owner(data, std::forward<Deleter>(deleter)), options);
}

/// Throws if `value` cannot be stored as `dtype` without overflow (300 as uint8, NaN as int32, 1e300 as float32).
void check_fits(const Scalar& value, ScalarType dtype);

}  // namespace fulmen
