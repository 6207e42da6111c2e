#include <fulmen/autograd/autocast.h>
#include <fulmen/autograd/grad_mode.h>
#include <fulmen/tensor/error.h>

#include <unordered_map>

namespace fulmen {
namespace autocast {
namespace {

/// The lower copy of a parameter, and the parameter itself, so that its address stays its own.
struct CachedCast {
  Tensor source, lower;
  int64_t version;
};

struct State {
  struct {
    bool enabled = false;
    ScalarType dtype;
  } cpu{.dtype = kBFloat16}, cuda{.dtype = kHalf};
  bool cache_enabled = true;
  int nesting = 0;
  std::unordered_map<TensorImpl*, CachedCast> cache;
};
thread_local State state;

auto& of(DeviceType device) {
  FULMEN_CHECK(device == kCPU || device == kCUDA, "autocast: there is none for ", device, ", only for cpu and cuda");
  return device == kCPU ? state.cpu : state.cuda;
}

/// What autocast converts at all.
bool is_eligible(const Tensor& x, DeviceType device) {
  return x.defined() && x.device().type() == device && detail::is_narrow(x);
}

Policy policy_of(Policies policies, DeviceType device) { return device == kCPU ? policies.cpu : policies.cuda; }

/// A parameter that several operations of one forward pass convert is converted once.
const Tensor& cached(const Tensor& x, ScalarType dtype) {
  CachedCast& entry = state.cache[x.unsafeGetTensorImpl()];
  if (!entry.lower.defined() || entry.lower.scalar_type() != dtype || entry.version != x._version()) {
    entry = {x, x.to(dtype), x._version()};
  }
  return entry.lower;
}

}  // namespace

bool is_autocast_enabled(DeviceType device) { return of(device).enabled; }
void set_autocast_enabled(DeviceType device, bool enabled) {
  of(device).enabled = enabled;
  active = state.cpu.enabled || state.cuda.enabled;
}
ScalarType get_autocast_dtype(DeviceType device) { return of(device).dtype; }
void set_autocast_dtype(DeviceType device, ScalarType dtype) {
  FULMEN_CHECK(dtype == kHalf || dtype == kBFloat16, "autocast: the type must be float16 or bfloat16, got ",
               to_string(dtype));
  of(device).dtype = dtype;
}
bool is_autocast_cache_enabled() { return state.cache_enabled; }
void set_autocast_cache_enabled(bool enabled) { state.cache_enabled = enabled; }
void clear_cache() { state.cache.clear(); }
int increment_nesting() { return ++state.nesting; }
int decrement_nesting() { return --state.nesting; }

namespace detail {

bool is_narrow(const Tensor& x) { return x.is_floating_point() && x.scalar_type() != kDouble; }

bool applies(Policies policies, const Tensor& x) {
  if (!x.defined()) return false;
  const DeviceType device = x.device().type();
  return (device == kCPU || device == kCUDA) && of(device).enabled && policy_of(policies, device) != Policy::Keep;
}

Tensor cast(const Tensor& x, DeviceType device, ScalarType dtype) {
  if (!is_eligible(x, device) || x.scalar_type() == dtype) return x;
  const bool keep = state.cache_enabled && dtype == of(device).dtype && x.scalar_type() == kFloat && x.is_leaf() &&
                    x.requires_grad() && GradMode::is_enabled();
  return keep ? cached(x, dtype) : x.to(dtype);
}

ScalarType target(Policies policies, DeviceType device) {
  switch (policy_of(policies, device)) {
    case Policy::Lower:
    case Policy::Promote:
      return of(device).dtype;
    default:
      return kFloat;
  }
}

bool promotes(Policies policies, DeviceType device) { return policy_of(policies, device) == Policy::Promote; }

ScalarType widest(ScalarType dtype, const Tensor& x, DeviceType device) {
  return is_eligible(x, device) ? promote_types(dtype, x.scalar_type()) : dtype;
}

}  // namespace detail
}  // namespace autocast

Autocast::Autocast(DeviceType device, ScalarType dtype, bool enabled, bool cache_enabled)
    : device_(device),
      dtype_before_(autocast::get_autocast_dtype(device)),
      enabled_before_(autocast::is_autocast_enabled(device)),
      cache_before_(autocast::is_autocast_cache_enabled()) {
  autocast::set_autocast_dtype(device, dtype);
  autocast::set_autocast_enabled(device, enabled);
  autocast::set_autocast_cache_enabled(cache_enabled);
  autocast::increment_nesting();
}

Autocast::~Autocast() {
  if (autocast::decrement_nesting() == 0) autocast::clear_cache();
  autocast::set_autocast_cache_enabled(cache_before_);
  autocast::set_autocast_enabled(device_, enabled_before_);
  autocast::set_autocast_dtype(device_, dtype_before_);
}

}  // namespace fulmen
