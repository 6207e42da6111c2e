#include <fulmen/autograd/ops/copy.h>
#include <fulmen/kernels/copy.h>

namespace fulmen {

using namespace autograd;

namespace {

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
  ScalarType source_dtype = ScalarType::Undefined;
  Device source_device{DeviceType::CPU};

  Output forward(Forward& f, const Input& x) {
    source_dtype = x.scalar_type();
    source_device = x.device();
    Output y = f.empty(x.sizes(), dtype, device);
    kernel::copy(f.launch(device.is_cuda() ? device : source_device), f.out(y), f.in(x));
    return y;
  }
  // gx = gy in x's own type, on x's own device
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {to(gy, source_dtype, source_device)}; }
};

/// self = source: the old values have no influence.
struct CopyInto {
  static constexpr auto name = "copy";
  static constexpr bool keeps_no_input = true;
  ScalarType source_dtype = ScalarType::Undefined;
  Device source_device{DeviceType::CPU};

  Output forward(Forward& f, const Input& self, const Input& source) {
    source_dtype = source.scalar_type();
    source_device = source.device();
    Output y = f.empty_like(self);
    Tensor expanded = source.expand(self.sizes());
    kernel::copy(f.launch(self.is_cuda() ? self : source), f.out(y), f.in(expanded));
    return y;
  }
  // gself = 0; gsource = gy, summed to the source's shape by the engine
  Grads<2> backward(const Saved& s, const Tensor& gy) const {
    return {s.needs(0) ? gy.mul(0) : Tensor(), s.needs(1) ? to(gy, source_dtype, source_device) : Tensor()};
  }
};

}  // namespace

Tensor clone(const Tensor& x) { return apply(Clone{}, x); }

Tensor contiguous(const Tensor& x) { return x.is_contiguous() ? x : clone(x); }

Tensor to(const Tensor& x, ScalarType dtype, std::optional<Device> device, bool copy) {
  Device target = device.value_or(x.device());
  FULMEN_CHECK(dtype != ScalarType::Undefined, "to: the dtype is undefined");
  if (!copy && dtype == x.scalar_type() && target == x.device()) return x;
  return apply(ToCopy{dtype, target}, x);
}

Tensor Tensor::clone() const { return fulmen::clone(*this); }
Tensor Tensor::contiguous() const { return fulmen::contiguous(*this); }
Tensor Tensor::to(const TensorOptions& options, bool, bool copy) const {
  FULMEN_CHECK(!options.requires_grad(),
               "to: a conversion keeps its history, so options with requires_grad set as true mean nothing here; "
               "call requires_grad_() on the result");
  return fulmen::to(*this, options.has_dtype() ? options.dtype() : scalar_type(), options.device_opt(), copy);
}
Tensor Tensor::to(ScalarType dtype, bool, bool copy) const { return fulmen::to(*this, dtype, std::nullopt, copy); }
Tensor Tensor::to(Device device, ScalarType dtype, bool, bool copy) const {
  return fulmen::to(*this, dtype, device, copy);
}
Tensor Tensor::to(const Tensor& other, bool, bool copy) const {
  return fulmen::to(*this, other.scalar_type(), other.device(), copy);
}

Tensor& Tensor::copy_(const Tensor& source, bool) const {
  FULMEN_CHECK(defined() && source.defined(), "copy_: undefined tensor");
  if (is_same(source)) return const_cast<Tensor&>(*this);
  return apply_inplace(CopyInto{}, *this, source);
}

}  // namespace fulmen
