#pragma once
#include <fulmen/tensor/dtype.h>
#include <fulmen/tensor/shape.h>
#include <fulmen/tensor/storage.h>

namespace fulmen {

namespace autograd {
class Node;
struct AutogradMeta;
/// Defined by the autograd room; the tensor room only stores the pointers.
void release_node(Node* node) noexcept;
void release_meta(AutogradMeta* meta) noexcept;
}  // namespace autograd

/// The body behind a Tensor handle: geometry, storage, and its place in the autograd graph.
struct TensorImpl {
  AtomicCounter refs{1};
  ScalarType dtype = ScalarType::Undefined;
  bool requires_grad = false;   ///< of a leaf; a tensor with grad_fn requires grad as well
  bool contiguous = true;       ///< row-major without gaps
  bool wrapped_number = false;  ///< made from a C++ number: does not decide the dtype of a result
  bool inference = false;       ///< made in inference mode
  bool is_view = false;         ///< a differentiable view: meta->base is what it looks into
  uint32_t output_nr = 0;       ///< which output of grad_fn
  int64_t offset = 0;           ///< first element, counted in elements from the start of the storage
  int64_t numel = 0;
  Storage storage;
  Shape sizes, strides;
  autograd::Node* grad_fn = nullptr;       ///< owned; null for leaves
  autograd::AutogradMeta* meta = nullptr;  ///< owned; gradient, hooks, view information: null until needed

  autograd::AutogradMeta* autograd_meta() const { return meta; }
  void* data() const { return static_cast<char*>(storage.data()) + offset * element_size(dtype); }
  /// Recomputes numel and contiguous from sizes and strides.
  void refresh() noexcept;

  static TensorImpl* make();
  /// A new row-major tensor, not initialised; throws for negative sizes and for more elements than memory can hold.
  static TensorImpl* allocate(IntArrayRef sizes, ScalarType dtype, Device device);
  static void destroy(TensorImpl* impl) noexcept;
};

}  // namespace fulmen
