#pragma once
#include <fulmen/tensor/error.h>
#include <fulmen/tensor/generator.h>
#include <fulmen/tensor/options.h>
#include <fulmen/tensor/tensor_impl.h>

#include <tuple>

namespace fulmen {

class Tensor;
struct TensorIndex;

using TensorList = ArrayRef<Tensor>;
namespace autograd {
class NodePtr;
/// A function that sees, and may replace, the gradient of a tensor.
struct TensorHook {
  virtual ~TensorHook() = default;
  virtual Tensor operator()(const Tensor& grad) = 0;
};
}  // namespace autograd

/// Row of a tensor for element access from C++: `auto a = t.accessor<float, 2>(); a[i][j]`.
template <class T, size_t N>
class TensorAccessor {
 public:
  TensorAccessor(T* data, const int64_t* sizes, const int64_t* strides)
      : data_(data), sizes_(sizes), strides_(strides) {}
  decltype(auto) operator[](int64_t i) const {
    if constexpr (N == 1) {
      return static_cast<T&>(data_[i * strides_[0]]);
    } else {
      return TensorAccessor<T, N - 1>(data_ + i * strides_[0], sizes_ + 1, strides_ + 1);
    }
  }
  int64_t size(int64_t i) const { return sizes_[i]; }
  int64_t stride(int64_t i) const { return strides_[i]; }
  IntArrayRef sizes() const { return {sizes_, N}; }
  IntArrayRef strides() const { return {strides_, N}; }
  T* data() const { return data_; }

 private:
  T* data_;
  const int64_t *sizes_, *strides_;
};

/// A strided n-dimensional array with reverse-mode derivatives. The handle is one pointer: copying it aliases the same
/// tensor, and `const` protects the handle only, as in LibTorch. Operations live in autograd/ops/<family>.h as free
/// functions; the members here forward to them.
class Tensor {
 public:
  Tensor() noexcept : impl_(nullptr) {}
  Tensor(const Tensor& other) noexcept : impl_(other.impl_) {
    if (impl_) impl_->refs.increment();
  }
  Tensor(Tensor&& other) noexcept : impl_(std::exchange(other.impl_, nullptr)) {}
  ~Tensor() { reset(); }
  /// Rebinds the handle of a named tensor ...
  Tensor& operator=(const Tensor& other) & noexcept;
  Tensor& operator=(Tensor&& other) & noexcept;
  /// ... but writes into the memory of a temporary: `t[0] = 5`.
  Tensor& operator=(const Tensor& other) &&;
  Tensor& operator=(Tensor&& other) &&;
  Tensor& operator=(const Scalar& value) &&;

  /// Takes over one reference.
  static Tensor adopt(TensorImpl* impl) {
    Tensor t;
    t.impl_ = impl;
    return t;
  }
  TensorImpl* impl() const { return impl_; }
  TensorImpl* unsafeGetTensorImpl() const { return impl_; }
  TensorImpl* release() { return std::exchange(impl_, nullptr); }
  void reset() noexcept {
    TensorImpl* impl = std::exchange(impl_, nullptr);
    if (impl && impl->refs.decrement()) TensorImpl::destroy(impl);
  }
  bool defined() const { return impl_ != nullptr; }
  bool is_same(const Tensor& other) const { return impl_ == other.impl_; }
  size_t use_count() const { return impl_ ? impl_->refs.load() : 0; }

  // --- geometry and type ---------------------------------------------------------------------------------------------
  int64_t dim() const { return static_cast<int64_t>(get()->sizes.size()); }
  int64_t ndimension() const { return dim(); }
  IntArrayRef sizes() const { return get()->sizes; }
  IntArrayRef strides() const { return get()->strides; }
  /// Negative dimensions count from the end.
  int64_t size(int64_t dim) const;
  int64_t stride(int64_t dim) const;
  int64_t numel() const { return get()->numel; }
  int64_t storage_offset() const { return get()->offset; }
  const Storage& storage() const { return get()->storage; }
  int64_t element_size() const { return fulmen::element_size(scalar_type()); }
  int64_t itemsize() const { return element_size(); }
  size_t nbytes() const { return static_cast<size_t>(numel() * element_size()); }
  ScalarType dtype() const { return get()->dtype; }
  ScalarType scalar_type() const { return get()->dtype; }
  Device device() const { return get()->storage->device; }
  Layout layout() const { return Layout::Strided; }
  TensorOptions options() const { return TensorOptions(scalar_type()).device(device()).layout(layout()); }
  bool is_cpu() const { return device().is_cpu(); }
  bool is_cuda() const { return device().is_cuda(); }
  int64_t get_device() const { return is_cuda() ? device().index() : -1; }
  bool is_contiguous() const { return get()->contiguous; }
  bool is_floating_point() const { return fulmen::is_floating_point(scalar_type()); }
  bool is_complex() const { return false; }
  bool is_signed() const { return scalar_type() != kByte && scalar_type() != kBool; }
  bool is_view() const;
  bool is_inference() const { return get()->inference; }
  /// Whether the memory is locked, so that copies to and from a CUDA device need not wait (pin_memory()).
  bool is_pinned() const;
  bool is_sparse() const { return false; }
  bool is_non_overlapping_and_dense() const;

  // --- memory --------------------------------------------------------------------------------------------------------
  void* data_ptr() const { return get()->data(); }
  const void* const_data_ptr() const { return get()->data(); }
  /// The first element; throws if T is not the tensor's element type.
  template <class T>
  T* data_ptr() const {
    check_dtype(CppTypeToScalarType<std::remove_const_t<T>>::value);
    return static_cast<T*>(get()->data());
  }
  template <class T>
  const T* const_data_ptr() const {
    return data_ptr<T>();
  }
  template <class T>
  T* mutable_data_ptr() const {
    return data_ptr<T>();
  }
  template <class T, size_t N>
  TensorAccessor<T, N> accessor() const {
    check_accessor(N);
    return {data_ptr<T>(), get()->sizes.data(), get()->strides.data()};
  }
  /// The only element of a one-element tensor.
  Scalar item() const;
  template <class T>
  T item() const {
    return item().to<T>();
  }
  Tensor clone() const;
  Tensor clone(MemoryFormat) const { return clone(); }
  Tensor contiguous() const;
  Tensor& copy_(const Tensor& source, bool non_blocking = false) const;
  /// A copy in locked host memory; this tensor itself if it lies there. Needs CUDA.
  Tensor pin_memory() const;
  Tensor& set_data(const Tensor& source) const;
  /// The same memory without history, under a version counter of its own.
  Tensor data() const;
  Tensor variable_data() const { return data(); }
  Tensor tensor_data() const { return data(); }
  Tensor& resize_(IntArrayRef sizes) const;
  bool is_alias_of(const Tensor& other) const { return storage().is_alias_of(other.storage()); }

  // --- conversion ----------------------------------------------------------------------------------------------------
  /// What the options name: `to(kCUDA)`, `to("cuda:1")`, `to({kCUDA, 1})`, `to(other.options())`.
  Tensor to(const TensorOptions& options, bool non_blocking = false, bool copy = false) const;
  Tensor to(ScalarType dtype, bool non_blocking = false, bool copy = false) const;
  Tensor to(Device device, ScalarType dtype, bool non_blocking = false, bool copy = false) const;
  Tensor to(const Tensor& other, bool non_blocking = false, bool copy = false) const;
  Tensor toType(ScalarType t) const { return to(t); }
  Tensor type_as(const Tensor& other) const { return to(other.options()); }
  Tensor to_float() const { return to(kFloat); }
  Tensor cpu() const { return to(Device(kCPU)); }
  Tensor cuda() const { return to(Device(kCUDA)); }

  // --- autograd ------------------------------------------------------------------------------------------------------
  bool requires_grad() const {
    return get()->requires_grad || impl_->grad_fn || (impl_->is_view && base_requires_grad());
  }
  Tensor& requires_grad_(bool on = true) const;
  Tensor& set_requires_grad(bool on) const { return requires_grad_(on); }
  bool is_leaf() const { return !get()->grad_fn && !(impl_->is_view && grad_fn_of_view()); }
  /// The accumulated gradient of a leaf (or of a tensor that retains it); undefined if there is none.
  const Tensor& grad() const;
  Tensor& mutable_grad() const;
  autograd::NodePtr grad_fn() const;
  int64_t output_nr() const { return get()->output_nr; }
  int64_t _version() const { return get()->storage->version.load(); }
  /// Gradients of this tensor with respect to the graph's leaves, added to their grad(). `gradient` may be left out for
  /// one element. With `inputs`, only those tensors receive gradients.
  void backward(const Tensor& gradient = Tensor(), std::optional<bool> retain_graph = std::nullopt,
                bool create_graph = false, std::optional<TensorList> inputs = std::nullopt) const;
  Tensor detach() const;
  Tensor& detach_() const;
  void retain_grad() const;
  bool retains_grad() const;
  /// Calls `hook` with each gradient of this tensor; a hook that returns a tensor replaces the gradient.
  template <class F>
  unsigned register_hook(F&& hook) const {
    return add_hook(new HookOf<std::decay_t<F>>(std::forward<F>(hook)));
  }
  void remove_hook(unsigned position) const;
  /// The tensor that this one is a view of; this tensor itself if it is none.
  const Tensor& _base() const;
  const std::string& name() const;

  // --- indexing ------------------------------------------------------------------------------------------------------
  Tensor operator[](int64_t index) const;
  Tensor operator[](const Tensor& index) const;
  Tensor operator[](const Scalar& index) const;
  Tensor index(ArrayRef<TensorIndex> indices) const;
  Tensor index(std::initializer_list<TensorIndex> indices) const;
  Tensor& index_put_(ArrayRef<TensorIndex> indices, const Tensor& values, bool accumulate = false) const;
  Tensor& index_put_(std::initializer_list<TensorIndex> indices, const Tensor& values, bool accumulate = false) const;
  Tensor& index_put_(ArrayRef<TensorIndex> indices, const Scalar& value) const;
  Tensor& index_put_(std::initializer_list<TensorIndex> indices, const Scalar& value) const;

#include <fulmen/tensor/tensor_methods.inc>

 private:
  TensorImpl* get() const {
    if (!impl_) [[unlikely]]
      undefined();
    return impl_;
  }
  [[noreturn]] static void undefined();
  bool base_requires_grad() const;
  bool grad_fn_of_view() const;
  void check_dtype(ScalarType wanted) const;
  void check_accessor(size_t dims) const;
  unsigned add_hook(autograd::TensorHook* hook) const;
  template <class F>
  struct HookOf;

 protected:
  TensorImpl* impl_;
};

template <class F>
struct Tensor::HookOf final : autograd::TensorHook {
  explicit HookOf(F f) : hook(std::move(f)) {}
  Tensor operator()(const Tensor& grad) override {
    if constexpr (std::is_void_v<std::invoke_result_t<F&, Tensor>>) {
      hook(grad);
      return {};
    } else {
      return hook(grad);
    }
  }
  F hook;
};

/// PyTorch's text form, with dtype and sizes in the last line.
std::ostream& operator<<(std::ostream& out, const Tensor& tensor);
/// The same with lines of at most `line_size` characters; operator<< has 80.
std::ostream& print(std::ostream& out, const Tensor& tensor, int64_t line_size);

}  // namespace fulmen
