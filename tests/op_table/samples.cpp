#include "tests/op_table/samples.h"

#include <fulmen/autograd/ops/creation.h>

#include <algorithm>
#include <cmath>

namespace op_table {

uint64_t Samples::seed_of(const std::string& name) {
  uint64_t h = 1469598103934665603ull;
  for (char c : name) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return h;
}

// std::uniform_real_distribution differs between standard libraries; the raw generator does not.
double Samples::real(double low, double high) {
  double u = static_cast<double>(random_() >> 11) * 0x1p-53;
  return low + (high - low) * u;
}

Tensor Samples::one(size_t i, const std::vector<int64_t>& shape, ScalarType dtype) {
  Row::InputKind kind = i < row_.kinds_.size() ? row_.kinds_[i] : Row::InputKind{};
  double low = kind.own_domain ? kind.low : row_.low_, high = kind.own_domain ? kind.high : row_.high_;
  Array a = array(shape);
  bool whole = kind.kind == Row::InputKind::Integer || !is_floating_point(dtype);
  if (kind.kind == Row::InputKind::Truth) {
    for (double& v : a.data) v = static_cast<double>(random_() >> 62 & 1);
    return to_tensor(a, kBool, device_);
  }
  // Unsigned types take the part of the domain that they can hold.
  if (kind.kind == Row::InputKind::Real && (dtype == kByte || dtype == kBool)) low = std::max(low, 0.0);
  if (kind.kind == Row::InputKind::Real && dtype == kBool) high = std::min(high, 1.0);
  for (size_t k = 0; k < a.data.size(); ++k) {
    double v = 0;
    do {
      v = whole ? std::floor(real(std::ceil(low), std::floor(high) + 1)) : real(low, high);
    } while (!whole && std::any_of(row_.kinks_.begin(), row_.kinks_.end(),
                                   [&](double kink) { return std::abs(v - kink) < row_.margin_; }));
    a.data[k] = v;
  }
  if (row_.distinct_ && !whole) {
    // Evenly spaced values in random order.
    double step = (high - low) / static_cast<double>(a.data.size() + 1);
    for (size_t k = 0; k < a.data.size(); ++k) a.data[k] = low + step * static_cast<double>(k + 1);
    for (size_t k = a.data.size(); k > 1; --k) std::swap(a.data[k - 1], a.data[random_() % k]);
  }
  return to_tensor(a, kind.kind == Row::InputKind::Integer ? kLong : dtype, device_);
}

std::vector<Tensor> Samples::draw(const std::vector<std::vector<int64_t>>& shapes, ScalarType dtype) {
  std::vector<Tensor> out;
  for (size_t i = 0; i < shapes.size(); ++i) out.push_back(one(i, shapes[i], dtype));
  return out;
}

Tensor Samples::direction(const Tensor& like) {
  Array a = array(like.sizes().vec());
  for (double& v : a.data) v = real(-1, 1);
  return to_tensor(a, kDouble, like.device());
}

Tensor to_tensor(const Array& a, ScalarType dtype, const Device& device) {
  Tensor t = empty(a.sizes, kDouble);
  std::copy(a.data.begin(), a.data.end(), t.data_ptr<double>());
  return t.to(device, dtype);
}

Array to_array(const Tensor& t) {
  Tensor flat = t.detach().to(Device(kCPU), kDouble).contiguous();
  const double* p = flat.data_ptr<double>();
  return {t.sizes().vec(), std::vector<double>(p, p + flat.numel())};
}

Tensor transposed(const Tensor& t) { return t.transpose(-1, -2).contiguous().transpose(-1, -2); }

Tensor sliced(const Tensor& t) {
  if (t.dim() == 0) {
    Tensor room = zeros({3}, t.options());
    room[1].copy_(t);
    return room[1];
  }
  std::vector<int64_t> sizes = t.sizes().vec();
  sizes.back() = sizes.back() * 2 + 1;
  Tensor room = zeros(sizes, t.options());
  Tensor part = room.slice(-1, 1, sizes.back(), 2);
  part.copy_(t);
  return part;
}

Tensor expanded(const Tensor& t) { return t.slice(0, 0, 1).expand(t.sizes()); }

}  // namespace op_table
