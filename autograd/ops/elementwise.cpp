#include <fulmen/autograd/ops/elementwise.h>

namespace fulmen {

namespace {

// 0 for bool, 1 for integers, 2 for floating point.
int kind(ScalarType t) { return is_floating_point(t) ? 2 : t == kBool ? 0 : 1; }

ScalarType number_type(const Scalar& s) { return s.isFloatingPoint() ? get_default_dtype() : s.type(); }

// How much a tensor's dtype counts: 2 with dimensions, 1 without, 0 for a wrapped number.
int weight(const Tensor& t) { return t.impl()->wrapped_number ? 0 : t.dim() > 0 ? 2 : 1; }

ScalarType combine(ScalarType strong, ScalarType weak) {
  return kind(weak) > kind(strong) ? promote_types(strong, weak) : strong;
}

ScalarType type_of(const Tensor& t) {
  return t.impl()->wrapped_number && t.is_floating_point() ? get_default_dtype() : t.scalar_type();
}

}  // namespace

ScalarType result_type(const Tensor& a, const Tensor& b) {
  FULMEN_CHECK(a.defined() && b.defined(), "an operand is an undefined tensor");
  if (a.scalar_type() == b.scalar_type()) return type_of(a);
  int wa = weight(a), wb = weight(b);
  if (wa == wb) return promote_types(type_of(a), type_of(b));
  return wa > wb ? combine(type_of(a), type_of(b)) : combine(type_of(b), type_of(a));
}

ScalarType result_type(const Tensor& a, const Scalar& b) { return combine(a.scalar_type(), number_type(b)); }
ScalarType result_type(const Scalar& a, const Tensor& b) { return result_type(b, a); }

ScalarType floating_type(ScalarType t) { return is_floating_point(t) ? t : get_default_dtype(); }

namespace autograd {

namespace {

bool may_move(const Tensor& t) { return t.dim() == 0 && t.is_cpu(); }

/// Whether the operands lie on two devices, so that one of them has to move.
bool apart(const Tensor& a, const Tensor& b) { return !(a.impl()->storage->device == b.impl()->storage->device); }

}  // namespace

Tensor beside(const Tensor& t, const Tensor& other) {
  return other.is_cuda() && may_move(t) ? t.to(other.device(), t.scalar_type()) : t;
}

Output empty_broadcast(Forward& f, ScalarType type, const Tensor& a, const Tensor& b) {
  const TensorImpl &x = *a.impl(), &y = *b.impl();
  Device device = x.storage->device;
  if (apart(a, b)) [[unlikely]] {
    FULMEN_CHECK(may_move(a) || may_move(b),
                 "Expected all tensors to be on the same device, but found at least two devices, ", device, " and ",
                 y.storage->device, "!");
    if (may_move(a)) device = y.storage->device;
  }
  if (x.sizes == y.sizes || y.sizes.empty()) return f.empty(x.sizes, type, device);
  return f.empty(broadcast_shapes(x.sizes, y.sizes), type, device);
}

Output binary(Forward& f, BinaryOp op, ScalarType type, const Tensor& a, const Tensor& b, const Scalar& alpha) {
  Output y = empty_broadcast(f, type, a, b);
  if (apart(a, b)) [[unlikely]]
    kernel::binary(f.launch(y), op, type, f.out(y), f.in(beside(a, y)), f.in(beside(b, y)), number(alpha));
  else
    kernel::binary(f.launch(y), op, type, f.out(y), f.in(a), f.in(b), number(alpha));
  return y;
}

Output binary(Forward& f, BinaryOp op, ScalarType type, const Tensor& x, const Scalar& c, bool reversed) {
  Output y = f.empty_like(x, type);
  kernel::binary_number(f.launch(y), op, type, f.out(y), f.in(x), number(c), reversed);
  return y;
}

Output compare(Forward& f, CompareOp op, const Tensor& a, const Tensor& b) {
  Output y = empty_broadcast(f, kBool, a, b);
  if (apart(a, b)) [[unlikely]]
    kernel::compare(f.launch(y), op, result_type(a, b), f.out(y), f.in(beside(a, y)), f.in(beside(b, y)));
  else
    kernel::compare(f.launch(y), op, result_type(a, b), f.out(y), f.in(a), f.in(b));
  return y;
}

Output compare(Forward& f, CompareOp op, const Tensor& x, const Scalar& c) {
  Output y = f.empty_like(x, kBool);
  kernel::compare_number(f.launch(y), op, result_type(x, c), f.out(y), f.in(x), number(c));
  return y;
}

Output unary(Forward& f, UnaryOp op, ScalarType type, const Tensor& x, const Scalar& p, const Scalar& q) {
  Output y = f.empty_like(x, type);
  kernel::unary(f.launch(y), op, type, f.out(y), f.in(x), number(p), number(q));
  return y;
}

Output ternary(Forward& f, TernaryOp op, ScalarType type, const Tensor& a, const Tensor& b, const Tensor& c,
               const Scalar& value) {
  const Device device = a.is_cpu() ? (b.is_cpu() ? c.device() : b.device()) : a.device();
  Shape sizes = broadcast_shapes(a.sizes(), broadcast_shapes(b.sizes(), c.sizes()));
  Output y = f.empty(sizes, type, device);
  kernel::ternary(f.launch(y), op, type, f.out(y), f.in(beside(a, y)), f.in(beside(b, y)), f.in(beside(c, y)),
                  number(value));
  return y;
}

}  // namespace autograd
}  // namespace fulmen
