#include <fulmen/autograd/ops/copy.h>
#include <fulmen/kernels/copy.h>
#include <fulmen/tensor/device_memory.h>

namespace fulmen {

using namespace autograd;

namespace {

/// y = x on any two devices. What crosses is contiguous and in x's dtype; layout and dtype change on one device.
void copy_to(Forward& f, const Tensor& y, const Tensor& x, bool non_blocking) {
  if (y.device() == x.device()) {
    kernel::copy(f.launch(y), f.out(y), f.in(x));
    return;
  }
  const Tensor dense = x.contiguous();
  if (y.is_contiguous() && y.scalar_type() == x.scalar_type()) {
    cuda::copy_bytes(y.storage(), y.data_ptr(), dense.storage(), dense.data_ptr(), x.nbytes(), non_blocking);
    return;
  }
  const Tensor moved = Tensor::adopt(TensorImpl::allocate(x.sizes(), x.scalar_type(), y.device()));
  cuda::copy_bytes(moved.storage(), moved.data_ptr(), dense.storage(), dense.data_ptr(), x.nbytes(),
                   non_blocking && y.is_cuda());
  kernel::copy(f.launch(y), f.out(y), f.in(moved));
}

struct Clone {
  static constexpr auto name = "clone";
  Output forward(Forward& f, const Input& x) {
    Output y = f.empty_like(x);
    kernel::copy(f.launch(y), f.out(y), f.in(x));
    return y;
  }
  // gx = gy
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {gy}; }
};

struct ToCopy {
  static constexpr auto name = "to_copy";
  ScalarType dtype;
  Device device;
  bool non_blocking;
  ScalarType source_dtype = ScalarType::Undefined;
  Device source_device{DeviceType::CPU};

  Output forward(Forward& f, const Input& x) {
    source_dtype = x.scalar_type();
    source_device = x.device();
    Output y = f.empty(x.sizes(), dtype, device);
    copy_to(f, y, x, non_blocking);
    return y;
  }
  // gx = gy in x's own type, on x's own device
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {to(gy, source_dtype, source_device)}; }
};

/// self = source: the old values have no influence.
struct CopyInto {
  static constexpr auto name = "copy";
  static constexpr bool keeps_no_input = true;
  bool non_blocking;
  ScalarType source_dtype = ScalarType::Undefined;
  Device source_device{DeviceType::CPU};

  Output forward(Forward& f, const Input& self, const Input& source) {
    source_dtype = source.scalar_type();
    source_device = source.device();
    Output y = f.empty_like(self);
    Tensor expanded = source.expand(self.sizes());
    copy_to(f, y, expanded, non_blocking);
    return y;
  }
  // gself = 0; gsource = gy, summed to the source's shape by the engine
  Grads<2> backward(const Saved& s, const Tensor& gy) const {
    return {s.needs(0) ? gy.mul(0) : Tensor(), s.needs(1) ? to(gy, source_dtype, source_device) : Tensor()};
  }
};

/// A copy in locked memory.
struct PinMemory {
  static constexpr auto name = "pin_memory";
  Output forward(Forward& f, const Input& x) {
    Output y = f.empty_like(x);
    y.impl()->storage = Storage::allocate_pinned(x.nbytes());
    kernel::copy(f.launch(y), f.out(y), f.in(x));
    return y;
  }
  // gx = gy
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {gy}; }
};

}  // namespace

Tensor clone(const Tensor& x) { return apply(Clone{}, x); }

Tensor contiguous(const Tensor& x) { return x.is_contiguous() ? x : clone(x); }

Tensor to(const Tensor& x, ScalarType dtype, std::optional<Device> device, bool copy, bool non_blocking) {
  Device target = x.device();
  if (device && !(*device == target)) target = device->is_cpu() ? Device(kCPU) : cuda::exact(*device);
  FULMEN_CHECK(dtype != ScalarType::Undefined, "to: the dtype is undefined");
  if (!copy && dtype == x.scalar_type() && target == x.device()) return x;
  return apply(ToCopy{dtype, target, non_blocking}, x);
}

Tensor Tensor::clone() const { return fulmen::clone(*this); }
Tensor Tensor::contiguous() const { return fulmen::contiguous(*this); }
Tensor Tensor::pin_memory() const {
  FULMEN_CHECK(is_cpu(), "cannot pin '", *this, "': only dense CPU tensors can be pinned");
  return is_pinned() ? *this : apply(PinMemory{}, *this);
}
Tensor Tensor::to(const TensorOptions& options, bool non_blocking, bool copy) const {
  FULMEN_CHECK(!options.requires_grad(),
               "to: a conversion keeps its history, so options with requires_grad set as true mean nothing here; "
               "call requires_grad_() on the result");
  return fulmen::to(*this, options.has_dtype() ? options.dtype() : scalar_type(), options.device_opt(), copy,
                    non_blocking);
}
Tensor Tensor::to(ScalarType dtype, bool, bool copy) const { return fulmen::to(*this, dtype, std::nullopt, copy); }
Tensor Tensor::to(Device device, ScalarType dtype, bool non_blocking, bool copy) const {
  return fulmen::to(*this, dtype, device, copy, non_blocking);
}
Tensor Tensor::to(const Tensor& other, bool non_blocking, bool copy) const {
  return fulmen::to(*this, other.scalar_type(), other.device(), copy, non_blocking);
}

Tensor& Tensor::copy_(const Tensor& source, bool non_blocking) const {
  FULMEN_CHECK(defined() && source.defined(), "copy_: undefined tensor");
  if (is_same(source)) return const_cast<Tensor&>(*this);
  return apply_inplace(CopyInto{non_blocking}, *this, source);
}

}  // namespace fulmen
