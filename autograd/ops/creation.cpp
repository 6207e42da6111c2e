#include <fulmen/autograd/op.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/kernels/copy.h>
#include <fulmen/kernels/creation.h>

#include <cmath>

namespace fulmen {

using namespace autograd;

namespace {

double real_part(const Scalar& v) { return v.toDouble(); }
int64_t integer_part(const Scalar& v, ScalarType dtype) {
  if (dtype == kBool) return v.toBool();
  return is_floating_point(dtype) ? 0 : v.toLong();
}

void check_layout(const TensorOptions& options) {
  FULMEN_CHECK(options.layout() == kStrided, "cannot make a tensor with layout ", "Sparse", ": only Strided exists");
}

Tensor finish(Tensor made, const TensorOptions& options) {
  if (options.requires_grad()) made.requires_grad_();
  return made;
}

TensorOptions like(const Tensor& x, const TensorOptions& options) { return x.options().merge_in(options); }

struct Full {
  static constexpr auto name = "full";
  static constexpr bool differentiable = false;
  Output forward(Forward& f) {
    Output y = f.empty(sizes, dtype, device);
    kernel::fill(f.launch(y), f.out(y), real_part(value), integer_part(value, dtype));
    return y;
  }
  IntArrayRef sizes;
  ScalarType dtype;
  Device device;
  Scalar value;
};

struct Arange {
  static constexpr auto name = "arange";
  static constexpr bool differentiable = false;
  Output forward(Forward& f) {
    Output y = f.empty(count, dtype, device);
    const bool real = is_floating_point(dtype);
    kernel::arange(f.launch(y), f.out(y), start.toDouble(), step.toDouble(), real ? 0 : start.toLong(),
                   real ? 0 : step.toLong());
    return y;
  }
  int64_t count;
  ScalarType dtype;
  Device device;
  Scalar start, step;
};

struct Linspace {
  static constexpr auto name = "linspace";
  static constexpr bool differentiable = false;
  Output forward(Forward& f) {
    Output y = f.empty(steps, dtype, device);
    kernel::linspace(f.launch(y), f.out(y), start, end, base);
    return y;
  }
  int64_t steps;
  ScalarType dtype;
  Device device;
  double start, end, base;
};

struct Eye {
  static constexpr auto name = "eye";
  static constexpr bool differentiable = false;
  Output forward(Forward& f) {
    const int64_t sizes[] = {rows, cols};
    Output y = f.empty(sizes, dtype, device);
    View all = f.out(y);
    kernel::fill(f.launch(y), all, 0.0, 0);
    View diagonal = all;
    diagonal.ndim = 1;
    diagonal.numel = diagonal.sizes[0] = rows < cols ? rows : cols;
    diagonal.strides[0] = cols + 1;
    kernel::fill(f.launch(y), diagonal, 1.0, 1);
    return y;
  }
  int64_t rows, cols;
  ScalarType dtype;
  Device device;
};

struct Fill {
  static constexpr auto name = "fill";
  Output forward(Forward& f, const Input& self) {
    Output y = f.empty_like(self);
    kernel::fill(f.launch(y), f.out(y), real_part(value), integer_part(value, y.scalar_type()));
    return y;
  }
  // What was overwritten has no influence.
  Grads<1> backward(const Saved&, const Tensor&) const { return {}; }
  Scalar value;
};

struct FillTensor {
  static constexpr auto name = "fill";
  Output forward(Forward& f, const Input& self, const Input& value) {
    Output y = f.empty_like(self);
    if (value.is_cuda()) {  // nobody waits for the number
      const Tensor spread = value.to(self.device(), value.scalar_type()).expand(self.sizes());
      if (self.is_cuda()) {
        kernel::copy(f.launch(y), f.out(y), f.in(spread));
        return y;
      }
    }
    const Scalar number = value.item();
    kernel::fill(f.launch(y), f.out(y), real_part(number), integer_part(number, y.scalar_type()));
    return y;
  }
  // gvalue = sum(gy)
  Grads<2> backward(const Saved&, const Tensor& gy) const { return {Tensor(), gy.sum()}; }
};

struct Zero {
  static constexpr auto name = "zero";
  Output forward(Forward& f, const Input& self) {
    Output y = f.empty_like(self);
    kernel::fill(f.launch(y), f.out(y), 0.0, 0);
    return y;
  }
  Grads<1> backward(const Saved&, const Tensor&) const { return {}; }
};

Tensor filled(IntArrayRef sizes, const Scalar& value, ScalarType dtype, const TensorOptions& options) {
  check_layout(options);
  return finish(apply(Full{sizes, dtype, options.device(), value}), options);
}

const char* cpp_name(ScalarType t) {
  constexpr const char* names[] = {"uint8_t",   "int8_t", "int16_t", "int",  "int64_t",
                                   "c10::Half", "float",  "double",  "bool", "c10::BFloat16"};
  return names[static_cast<int>(t)];
}

}  // namespace

void check_fits(const Scalar& value, ScalarType dtype) {
  const double v = value.toDouble();
  bool fits = true;
  auto within = [&](double low, double high) { return v >= low && v <= high; };
  switch (dtype) {
    // An unsigned type takes negative numbers of its range as well, which wrap around.
    case kByte:
      fits = within(-255, 255);
      break;
    case kChar:
      fits = within(-128, 127);
      break;
    case kShort:
      fits = within(-32768, 32767);
      break;
    case kInt:
      fits = within(-2147483648.0, 2147483647.0);
      break;
    case kLong:
      fits = !value.isFloatingPoint() || (v >= -0x1p63 && v < 0x1p63);
      break;
    case kHalf:
      fits = !std::isfinite(v) || std::abs(v) <= 65504;
      break;
    case kFloat:
      fits = !std::isfinite(v) || std::abs(v) <= std::numeric_limits<float>::max();
      break;
    case kBFloat16:
      fits = !std::isfinite(v) || std::abs(v) <= 0x1.fep127;
      break;
    default:
      break;
  }
  FULMEN_CHECK(fits, "value cannot be converted to type ", cpp_name(dtype), " without overflow: ", value);
}

Tensor empty(IntArrayRef sizes, const TensorOptions& options) {
  check_layout(options);
  Tensor made = Tensor::adopt(TensorImpl::allocate(sizes, options.dtype(), options.device()));
  if (options.pinned_memory()) {
    FULMEN_CHECK(made.is_cpu(), "Only dense CPU tensors can be pinned");
    made.impl()->storage = Storage::allocate_pinned(made.nbytes());
  }
  if (modes.inference) Machine::mark_inference(made);
  return finish(std::move(made), options);
}
Tensor zeros(IntArrayRef sizes, const TensorOptions& options) { return filled(sizes, 0, options.dtype(), options); }
Tensor ones(IntArrayRef sizes, const TensorOptions& options) { return filled(sizes, 1, options.dtype(), options); }

Tensor full(IntArrayRef sizes, const Scalar& value, const TensorOptions& options) {
  ScalarType dtype = value.isFloatingPoint() ? get_default_dtype() : value.type();
  if (options.has_dtype()) dtype = options.dtype();
  check_fits(value, dtype);
  return filled(sizes, value, dtype, options);
}

Tensor scalar_tensor(const Scalar& value, const TensorOptions& options) {
  check_fits(value, options.dtype());
  return filled({}, value, options.dtype(), options);
}

Tensor empty_like(const Tensor& x, const TensorOptions& options) { return empty(x.sizes(), like(x, options)); }
Tensor zeros_like(const Tensor& x, const TensorOptions& options) { return zeros(x.sizes(), like(x, options)); }
Tensor ones_like(const Tensor& x, const TensorOptions& options) { return ones(x.sizes(), like(x, options)); }
Tensor full_like(const Tensor& x, const Scalar& value, const TensorOptions& options) {
  return full(x.sizes(), value, like(x, options));
}

namespace {
// ceil((end - start) / step), in integers where all three are integers.
int64_t arange_count(const Scalar& start, const Scalar& end, const Scalar& step, ScalarType dtype) {
  const double from = start.toDouble(), to = end.toDouble(), by = step.toDouble();
  FULMEN_CHECK(by != 0 && (is_floating_point(dtype) || step.toLong() != 0), "step must be nonzero: arange from ", start,
               " to ", end);
  FULMEN_CHECK(std::isfinite(from) && std::isfinite(to), "unsupported range: ", from, " -> ", to);
  FULMEN_CHECK((by > 0 && to >= from) || (by < 0 && to <= from),
               "upper bound and lower bound inconsistent with step sign: arange from ", start, " to ", end,
               " with step ", step);
  double count = std::ceil((to - from) / by);
  if (dtype == kLong) {
    count = std::ceil(static_cast<double>(end.toLong() - start.toLong()) / static_cast<double>(step.toLong()));
  }
  FULMEN_CHECK(count >= 0 && count < 0x1p63, "invalid size, possible overflow? arange from ", start, " to ", end,
               " with step ", step);
  return static_cast<int64_t>(count);
}
}  // namespace

Tensor arange(const Scalar& start, const Scalar& end, const Scalar& step, const TensorOptions& options) {
  const bool integers = start.isIntegral(true) && end.isIntegral(true) && step.isIntegral(true);
  const ScalarType dtype = options.has_dtype() ? options.dtype() : integers ? kLong : get_default_dtype();
  FULMEN_CHECK(dtype != kBool, "\"arange_cpu\" not implemented for 'Bool'");
  check_layout(options);
  const int64_t count = arange_count(start, end, step, dtype);
  return finish(apply(Arange{count, dtype, options.device(), start, step}), options);
}
Tensor arange(const Scalar& start, const Scalar& end, const TensorOptions& options) {
  return arange(start, end, 1, options);
}
Tensor arange(const Scalar& end, const TensorOptions& options) { return arange(0, end, 1, options); }

namespace {
Tensor spaced(const char* name, const Scalar& start, const Scalar& end, int64_t steps, double base,
              const TensorOptions& options) {
  FULMEN_CHECK(steps >= 0, "number of steps must be non-negative: ", name, " with ", steps, " steps");
  FULMEN_CHECK(options.dtype() != kBool, "\"", name, "_cpu\" not implemented for 'Bool'");
  check_layout(options);
  return finish(apply(Linspace{steps, options.dtype(), options.device(), start.toDouble(), end.toDouble(), base}),
                options);
}
}  // namespace

Tensor linspace(const Scalar& start, const Scalar& end, int64_t steps, const TensorOptions& options) {
  return spaced("linspace", start, end, steps, 0, options);
}
Tensor logspace(const Scalar& start, const Scalar& end, int64_t steps, double base, const TensorOptions& options) {
  FULMEN_CHECK(base != 0, "logspace: the base must not be zero");
  return spaced("logspace", start, end, steps, base, options);
}

Tensor eye(int64_t n, const TensorOptions& options) { return eye(n, n, options); }
Tensor eye(int64_t rows, int64_t cols, const TensorOptions& options) {
  FULMEN_CHECK(rows >= 0, "n must be greater or equal to 0, got ", rows);
  FULMEN_CHECK(cols >= 0, "m must be greater or equal to 0, got ", cols);
  check_layout(options);
  return finish(apply(Eye{rows, cols, options.dtype(), options.device()}), options);
}

namespace {
// Elements from the first to behind the last one that the strides reach.
int64_t span_of(IntArrayRef sizes, IntArrayRef strides) {
  int64_t span = 1;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0) return 0;
    FULMEN_CHECK(strides[i] >= 0, "from_blob: negative stride ", strides[i]);
    span += (sizes[i] - 1) * strides[i];
  }
  return span;
}
}  // namespace

Tensor from_owned_blob(void* data, IntArrayRef sizes, IntArrayRef strides, MemoryOwner* owner,
                       const TensorOptions& options) {
  Storage storage = Storage::borrow(data, 0, options.device(), owner);  // an error below ends the loan
  check_layout(options);
  FULMEN_CHECK(strides.empty() || strides.size() == sizes.size(), "from_blob: ", sizes.size(), " sizes but ",
               strides.size(), " strides");
  FULMEN_CHECK(sizes.size() <= static_cast<size_t>(max_dims), "from_blob: a tensor has at most ", max_dims,
               " dimensions; got ", sizes.size());
  TensorImpl* impl = TensorImpl::make();
  Tensor made = Tensor::adopt(impl);
  impl->dtype = options.dtype();
  impl->sizes.assign(sizes);
  impl->strides.assign(sizes);
  int64_t step = 1;
  for (size_t i = sizes.size(); i-- > 0;) {
    FULMEN_CHECK(sizes[i] >= 0, "from_blob: negative size ", sizes[i], " in ", sizes);
    impl->strides[i] = strides.empty() ? step : strides[i];
    step *= sizes[i] > 1 ? sizes[i] : 1;
  }
  const int64_t bytes = span_of(sizes, impl->strides) * element_size(options.dtype());
  storage->nbytes = static_cast<size_t>(bytes);
  impl->storage = std::move(storage);
  impl->refresh();
  if (modes.inference) Machine::mark_inference(made);
  return finish(std::move(made), options);
}
Tensor from_blob(void* data, IntArrayRef sizes, const TensorOptions& options) {
  return from_owned_blob(data, sizes, {}, nullptr, options);
}
Tensor from_blob(void* data, IntArrayRef sizes, IntArrayRef strides, const TensorOptions& options) {
  return from_owned_blob(data, sizes, strides, nullptr, options);
}

Tensor& Tensor::fill_(const Scalar& value) const {
  check_fits(value, scalar_type());
  return apply_inplace(Fill{value}, *this);
}
Tensor& Tensor::fill_(const Tensor& value) const {
  FULMEN_CHECK(value.dim() == 0, "fill_ only supports 0-dimension value tensor but got tensor with ", value.dim(),
               " dimensions.");
  return apply_inplace(FillTensor{}, *this, value);
}
Tensor& Tensor::zero_() const { return apply_inplace(Zero{}, *this); }

}  // namespace fulmen
