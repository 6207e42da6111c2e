#include <fulmen/autograd/op.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/random.h>
#include <fulmen/kernels/random.h>

#include <cmath>

namespace fulmen {

using namespace autograd;

namespace {

/// The given stream, or the default one of y's device.
RandomStream stream_of(OptionalGenerator& generator, const Tensor& y) {
  if (!generator) return default_generator(y.device())->stream();
  FULMEN_CHECK(generator->device().type() == y.device().type(), "Expected a '", y.device(),
               "' generator but found one of ", generator->device());
  return (*generator)->stream();
}

/// The tensor to write to, or a new one where that is strided, whose numbers are then copied.
Output row_major_like(Forward& f, const Tensor& self) {
  Output y = f.empty_like(self);
  return y.is_contiguous() ? std::move(y) : f.empty_like(self);
}

// In-place random ops overwrite self: no gradient flows back to what was there before.
struct RandomFill {
  Grads<1> backward(const Saved&, const Tensor&) const { return {}; }
  OptionalGenerator generator;
};

struct Uniform : RandomFill {
  static constexpr auto name = "uniform";
  Output forward(Forward& f, const Input& self) {
    Output y = row_major_like(f, self);
    kernel::random_uniform(f.launch(y), f.out(y), from, to, stream_of(generator, y));
    return y;
  }
  double from, to;
};

struct Normal : RandomFill {
  static constexpr auto name = "normal";
  Output forward(Forward& f, const Input& self) {
    Output y = row_major_like(f, self);
    kernel::random_normal(f.launch(y), f.out(y), mean, std, blocks, stream_of(generator, y));
    return y;
  }
  double mean, std;
  bool blocks;
};

struct Integers : RandomFill {
  static constexpr auto name = "random";
  Output forward(Forward& f, const Input& self) {
    Output y = row_major_like(f, self);
    kernel::random_integers(f.launch(y), f.out(y), range, stream_of(generator, y));
    return y;
  }
  IntegerRange range;
};

struct Bernoulli : RandomFill {
  static constexpr auto name = "bernoulli";
  Output forward(Forward& f, const Input& self) {
    Output y = row_major_like(f, self);
    kernel::random_bernoulli(f.launch(y), f.out(y), p, stream_of(generator, y));
    return y;
  }
  double p;
};

struct BernoulliEach : RandomFill {
  static constexpr auto name = "bernoulli";
  Output forward(Forward& f, const Input& p) {
    Output y = f.empty_like(p);
    const Tensor dense = p.contiguous();
    kernel::random_bernoulli_each(f.launch(y), f.out(y), f.in(dense), stream_of(generator, y));
    return y;
  }
};

struct Exponential : RandomFill {
  static constexpr auto name = "exponential";
  Output forward(Forward& f, const Input& self) {
    Output y = row_major_like(f, self);
    kernel::random_exponential(f.launch(y), f.out(y), lambda, stream_of(generator, y));
    return y;
  }
  double lambda;
};

struct Permutation {
  static constexpr auto name = "randperm";
  static constexpr bool differentiable = false;
  Output forward(Forward& f) {
    Output y = f.empty(n, dtype, device);
    kernel::random_permutation(f.launch(y), f.out(y), stream_of(generator, y));
    return y;
  }
  int64_t n;
  ScalarType dtype;
  Device device;
  OptionalGenerator generator;
};

struct Choices {
  static constexpr auto name = "multinomial";
  static constexpr bool differentiable = false;
  Output forward(Forward& f, const Input& weights) {
    Shape sizes(weights.sizes());
    const int64_t cols = sizes.back();
    sizes[sizes.size() - 1] = samples;
    Output y = f.empty(sizes, kLong, weights.device());
    const Tensor dense = weights.contiguous();
    const Output sums = f.empty(cols, weights.scalar_type(), weights.device());
    kernel::random_choices(f.launch(y), f.out(y), f.in(dense), f.out(sums), stream_of(generator, y));
    return y;
  }
  int64_t samples;
  OptionalGenerator generator;
};

/// Runs an in-place random op so that a strided tensor is filled in memory order, as PyTorch does.
template <class Op>
Tensor& fill_random(Op op, const Tensor& self) {
  if (self.is_contiguous()) return apply_inplace(std::move(op), self);
  Shape order(self.sizes());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  const IntArrayRef strides = self.strides();
  for (size_t i = 1; i < order.size(); ++i) {
    for (size_t j = i; j > 0 && strides[order[j - 1]] < strides[order[j]]; --j) std::swap(order[j - 1], order[j]);
  }
  apply_inplace(std::move(op), self.permute(order));
  return const_cast<Tensor&>(self);
}

void require_floating(const Tensor& x, const char* kernel_name) {
  FULMEN_CHECK(x.is_floating_point(), "\"", kernel_name, "\" not implemented for '", to_string(x.scalar_type()), "'");
}

Tensor with_grad(Tensor x, const TensorOptions& options) {
  if (options.requires_grad()) x.requires_grad_();
  return x;
}
TensorOptions without_grad(const TensorOptions& options) { return options.requires_grad(false); }

// Integers above this are not all exact in the dtype.
double exact_limit(ScalarType t) {
  switch (t) {
    case kHalf:
      return 2048;
    case kBFloat16:
      return 256;
    case kFloat:
      return 16777216;
    case kDouble:
      return 0x1p53;
    default:
      return 0x1p63;
  }
}

struct Bounds {
  int64_t low, high;
};
Bounds integer_bounds(ScalarType t) {
  switch (t) {
    case kBool:
      return {0, 1};
    case kByte:
      return {0, 255};
    case kChar:
      return {-128, 127};
    case kShort:
      return {-32768, 32767};
    case kInt:
      return {INT32_MIN, INT32_MAX};
    case kLong:
      return {INT64_MIN, INT64_MAX};
    default: {
      const auto limit = static_cast<int64_t>(exact_limit(t));
      return {-limit, limit};
    }
  }
}

const char* cpp_name(ScalarType t) {
  constexpr const char* names[] = {"unsigned char", "signed char", "short",  "int",  "long",
                                   "c10::Half",     "float",       "double", "bool", "c10::BFloat16"};
  return names[static_cast<int>(t)];
}

void check_integer_bounds(int64_t from, int64_t last, ScalarType t) {
  if (is_floating_point(t)) return;
  const Bounds bounds = integer_bounds(t);
  FULMEN_CHECK(from >= bounds.low && from <= bounds.high, "from is out of bounds for ", cpp_name(t));
  FULMEN_CHECK(last >= bounds.low && last <= bounds.high, "to - 1 is out of bounds for ", cpp_name(t));
}

}  // namespace

// --- in place
// ----------------------------------------------------------------------------------------------------------

Tensor& Tensor::uniform_(double from, double to, OptionalGenerator generator) const {
  require_floating(*this, "check_uniform_bounds");
  FULMEN_CHECK(from <= to, "uniform_ expects to return a [from, to) range, but found from=", from, " > to=", to);
  const double most = scalar_type() == kHalf     ? 65504
                      : scalar_type() == kDouble ? 0x1.fffffffffffffp1023
                                                 : 0x1.fffffep127;
  FULMEN_CHECK(to - from <= most, "uniform_ expects to-from <= std::numeric_limits<", to_string(scalar_type()),
               ">::max(), but found to=", to, " and from=", from, " which result in to-from to exceed the limit");
  return fill_random(Uniform{{std::move(generator)}, from, to}, *this);
}

Tensor& Tensor::normal_(double mean, double std, OptionalGenerator generator) const {
  FULMEN_CHECK(std >= 0.0, "normal expects std >= 0.0, but found std ", std);
  require_floating(*this, "normal_kernel_cpu");
  const bool blocks = numel() >= 16 && is_contiguous();
  return fill_random(Normal{{std::move(generator)}, mean, std, blocks}, *this);
}

Tensor& Tensor::bernoulli_(double p, OptionalGenerator generator) const {
  FULMEN_CHECK(p >= 0 && p <= 1, "bernoulli_ expects p to be in [0, 1], but got p=", p);
  return fill_random(Bernoulli{{std::move(generator)}, p}, *this);
}

Tensor& Tensor::exponential_(double lambda, OptionalGenerator generator) const {
  FULMEN_CHECK(is_floating_point(),
               "Exponential distribution is a continuous probability distribution. dtype must be a floating point but "
               "you specified ",
               to_string(scalar_type()));
  FULMEN_CHECK(lambda > 0, "exponential_ expects lambda > 0.0, but found lambda=", lambda);
  return fill_random(Exponential{{std::move(generator)}, lambda}, *this);
}

Tensor& Tensor::random_(int64_t from, std::optional<int64_t> to, OptionalGenerator generator) const {
  IntegerRange range{0, from, true};
  if (to) {
    FULMEN_CHECK(from < *to, "random_ expects 'from' to be less than 'to', but got from=", from, " >= to=", *to);
    check_integer_bounds(from, *to - 1, scalar_type());
    range.range = static_cast<uint64_t>(*to) - static_cast<uint64_t>(from);
  } else {
    const int64_t last = integer_bounds(scalar_type()).high;
    check_integer_bounds(from, last, scalar_type());
    range.range = static_cast<uint64_t>(last) - static_cast<uint64_t>(from) + 1;
  }
  range.wide = range.range == 0 || range.range >= uint64_t{1} << 28;
  return fill_random(Integers{{std::move(generator)}, range}, *this);
}
Tensor& Tensor::random_(int64_t to, OptionalGenerator generator) const { return random_(0, to, std::move(generator)); }

Tensor& Tensor::random_(OptionalGenerator generator) const {
  const ScalarType t = scalar_type();
  const auto values = static_cast<uint64_t>(integer_bounds(t).high) + 1;
  return fill_random(Integers{{std::move(generator)}, {values, 0, t == kLong || t == kDouble}}, *this);
}

// --- new tensors
// -------------------------------------------------------------------------------------------------------

Tensor rand(IntArrayRef sizes, OptionalGenerator generator, const TensorOptions& options) {
  return with_grad(empty(sizes, without_grad(options)).uniform_(0, 1, std::move(generator)), options);
}
Tensor rand(IntArrayRef sizes, const TensorOptions& options) { return rand(sizes, std::nullopt, options); }
Tensor rand_like(const Tensor& x, const TensorOptions& options) {
  return rand(x.sizes(), x.options().merge_in(options));
}

Tensor randn(IntArrayRef sizes, OptionalGenerator generator, const TensorOptions& options) {
  return with_grad(empty(sizes, without_grad(options)).normal_(0, 1, std::move(generator)), options);
}
Tensor randn(IntArrayRef sizes, const TensorOptions& options) { return randn(sizes, std::nullopt, options); }
Tensor randn_like(const Tensor& x, const TensorOptions& options) {
  return randn(x.sizes(), x.options().merge_in(options));
}

Tensor randint(int64_t low, int64_t high, IntArrayRef sizes, OptionalGenerator generator,
               const TensorOptions& options) {
  const TensorOptions integer = TensorOptions(kLong).merge_in(options);
  return with_grad(empty(sizes, without_grad(integer)).random_(low, high, std::move(generator)), options);
}
Tensor randint(int64_t low, int64_t high, IntArrayRef sizes, const TensorOptions& options) {
  return randint(low, high, sizes, std::nullopt, options);
}
Tensor randint(int64_t high, IntArrayRef sizes, const TensorOptions& options) {
  return randint(0, high, sizes, std::nullopt, options);
}
Tensor randint_like(const Tensor& x, int64_t low, int64_t high, const TensorOptions& options) {
  return randint(low, high, x.sizes(), std::nullopt, x.options().merge_in(options));
}
Tensor randint_like(const Tensor& x, int64_t high, const TensorOptions& options) {
  return randint_like(x, 0, high, options);
}

Tensor randperm(int64_t n, OptionalGenerator generator, const TensorOptions& options) {
  const ScalarType dtype = options.has_dtype() ? options.dtype() : kLong;
  FULMEN_CHECK(dtype != kBool, "\"randperm\" not implemented for 'Bool'");
  FULMEN_CHECK(n >= 0, "Trying to create tensor with negative dimension ", n, ": [", n, "]");
  if (is_floating_point(dtype)) {
    const double most = exact_limit(dtype) + 1;
    FULMEN_CHECK(static_cast<double>(n) <= most, "n cannot be greater than ", most, " for ", to_string(dtype),
                 " type.");
  } else {
    check_fits(n, dtype);
  }
  return with_grad(apply(Permutation{n, dtype, options.device(), std::move(generator)}), options);
}
Tensor randperm(int64_t n, const TensorOptions& options) { return randperm(n, std::nullopt, options); }

// --- distributions
// -----------------------------------------------------------------------------------------------------

Tensor normal(double mean, double std, IntArrayRef sizes, OptionalGenerator generator, const TensorOptions& options) {
  return with_grad(empty(sizes, without_grad(options)).normal_(mean, std, std::move(generator)), options);
}

namespace {
void check_std(const Tensor& std) {
  FULMEN_CHECK(std.numel() == 0 || std.min().item<double>() >= 0, "normal expects all elements of std >= 0.0");
}
}  // namespace

Tensor normal(const Tensor& mean, double std, OptionalGenerator generator) {
  FULMEN_CHECK(std >= 0.0, "normal expects std >= 0.0, but found std ", std);
  NoGradGuard no_grad;
  return empty_like(mean).normal_(0, std, std::move(generator)).add_(mean);
}
Tensor normal(double mean, const Tensor& std, OptionalGenerator generator) {
  check_std(std);
  NoGradGuard no_grad;
  return empty_like(std).normal_(0, 1, std::move(generator)).mul_(std).add_(mean);
}
Tensor normal(const Tensor& mean, const Tensor& std, OptionalGenerator generator) {
  check_std(std);
  NoGradGuard no_grad;
  const Tensor sum = mean.add(std);  // its shape is the result's
  return empty_like(sum).normal_(0, 1, std::move(generator)).mul_(std).add_(mean);
}

Tensor bernoulli(const Tensor& p, OptionalGenerator generator) {
  FULMEN_CHECK(p.is_floating_point(), "\"bernoulli_tensor_cpu_p_\" not implemented for '", to_string(p.scalar_type()),
               "'");
  if (p.numel() > 0) {
    NoGradGuard no_grad;
    const double low = p.min().item<double>(), high = p.max().item<double>();
    FULMEN_CHECK(low >= 0 && high <= 1, "bernoulli: Expected p_in >= 0 && p_in <= 1 to be true; got values from ", low,
                 " to ", high);
  }
  return apply(BernoulliEach{{std::move(generator)}}, p);
}
Tensor bernoulli(const Tensor& x, double p, OptionalGenerator generator) {
  NoGradGuard no_grad;
  return empty_like(x).bernoulli_(p, std::move(generator));
}

namespace {
void check_weights(const Tensor& weights, int64_t num_samples, bool replacement) {
  FULMEN_CHECK(weights.dim() == 1 || weights.dim() == 2, "prob_dist must be 1 or 2 dim; got ", weights);
  FULMEN_CHECK(weights.is_floating_point(),
               "multinomial only supports floating-point dtypes for input, got: ", to_string(weights.scalar_type()));
  FULMEN_CHECK(num_samples > 0, "cannot sample n_sample <= 0 samples");
  const int64_t cols = weights.size(-1);
  FULMEN_CHECK(replacement || num_samples <= cols,
               "cannot sample n_sample > prob_dist.size(-1) samples without replacement");
  const Tensor values = weights.detach().to(Device(kCPU), kDouble).contiguous();
  const double* w = values.data_ptr<double>();
  for (int64_t row = 0; row < (cols > 0 ? values.numel() / cols : 0); ++row) {
    double sum = 0;
    for (int64_t c = 0; c < cols; ++c) {
      const double one = w[row * cols + c];
      FULMEN_CHECK(std::isfinite(one) && one >= 0,
                   "probability tensor contains either `inf`, `nan` or element < 0: ", one, " in row ", row,
                   ", column ", c);
      sum += one;
    }
    FULMEN_CHECK(sum > 0, "invalid multinomial distribution (sum of probabilities <= 0) in row ", row);
  }
}
}  // namespace

Tensor multinomial(const Tensor& weights, int64_t num_samples, bool replacement, OptionalGenerator generator) {
  check_weights(weights, num_samples, replacement);
  NoGradGuard no_grad;
  if (replacement && num_samples > 1) return apply(Choices{num_samples, std::move(generator)}, weights);
  // The largest of w / e, with e exponential, is column i with probability w[i] / sum(w) (Efraimidis and Spirakis
  // 2006).
  const Tensor races = weights.div(empty_like(weights).exponential_(1, std::move(generator)));
  if (num_samples == 1) return races.argmax(-1, true);
  return std::get<1>(races.topk(num_samples, -1));
}

Tensor Tensor::multinomial(int64_t num_samples, bool replacement, OptionalGenerator generator) const {
  return fulmen::multinomial(*this, num_samples, replacement, std::move(generator));
}

}  // namespace fulmen
