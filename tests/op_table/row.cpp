#include "tests/op_table/op_table.h"

namespace op_table {

Device& device_under_test() {
  static Device device{kCPU};
  return device;
}

Array array(std::vector<int64_t> sizes) {
  int64_t n = 1;
  for (int64_t s : sizes) n *= s;
  return {std::move(sizes), std::vector<double>(static_cast<size_t>(n))};
}

int64_t broadcast_position(const Array& a, const std::vector<int64_t>& index) {
  int64_t at = 0;
  size_t lead = index.size() - a.sizes.size();
  for (size_t d = 0; d < a.sizes.size(); ++d) at = at * a.sizes[d] + (a.sizes[d] == 1 ? 0 : index[d + lead]);
  return at;
}

void for_each_index(const std::vector<int64_t>& sizes, const std::function<void(const std::vector<int64_t>&)>& f) {
  for (int64_t s : sizes) {
    if (s == 0) return;
  }
  std::vector<int64_t> index(sizes.size(), 0);
  while (true) {
    f(index);
    size_t d = sizes.size();
    while (d > 0 && ++index[d - 1] == sizes[d - 1]) index[--d] = 0;
    if (d == 0) return;
  }
}

namespace {

std::vector<int64_t> broadcast_sizes(const std::vector<Array>& in) {
  std::vector<int64_t> sizes;
  for (const Array& a : in) {
    if (a.sizes.size() > sizes.size()) sizes.insert(sizes.begin(), a.sizes.size() - sizes.size(), 1);
  }
  for (const Array& a : in) {
    size_t lead = sizes.size() - a.sizes.size();
    for (size_t d = 0; d < a.sizes.size(); ++d) {
      if (a.sizes[d] != 1) sizes[d + lead] = a.sizes[d];
    }
  }
  return sizes;
}

template <class F>
Reference broadcast(F f) {
  return [f](const std::vector<Array>& in) {
    Array out = array(broadcast_sizes(in));
    int64_t at = 0;
    for_each_index(out.sizes, [&](const std::vector<int64_t>& index) { out[at++] = f(in, index); });
    return std::vector<Array>{std::move(out)};
  };
}

double value(const std::vector<Array>& in, size_t k, const std::vector<int64_t>& index) {
  return in[k][broadcast_position(in[k], index)];
}

}  // namespace

Reference elementwise(std::function<double(double)> f) {
  return broadcast([f](const auto& in, const auto& i) { return f(value(in, 0, i)); });
}
Reference elementwise(std::function<double(double, double)> f) {
  return broadcast([f](const auto& in, const auto& i) { return f(value(in, 0, i), value(in, 1, i)); });
}
Reference elementwise(std::function<double(double, double, double)> f) {
  return broadcast([f](const auto& in, const auto& i) { return f(value(in, 0, i), value(in, 1, i), value(in, 2, i)); });
}

Row& Row::inputs(std::vector<std::vector<int64_t>> shapes) {
  if (kinds_.size() < shapes.size()) kinds_.resize(shapes.size());
  shapes_.push_back(std::move(shapes));
  return *this;
}
Row::InputKind& Row::kind(size_t i) {
  if (kinds_.size() <= i) kinds_.resize(i + 1);
  return kinds_[i];
}
Row& Row::domain(double low, double high, std::vector<double> kinks, double margin) {
  low_ = low;
  high_ = high;
  kinks_ = std::move(kinks);
  margin_ = margin;
  return *this;
}
Row& Row::domain_of(size_t i, double low, double high) {
  kind(i).low = low;
  kind(i).high = high;
  kind(i).own_domain = true;
  return *this;
}
Row& Row::integer_input(size_t i, int64_t low, int64_t high) {
  domain_of(i, static_cast<double>(low), static_cast<double>(high));
  kind(i).kind = InputKind::Integer;
  return *this;
}
Row& Row::bool_input(size_t i) {
  kind(i).kind = InputKind::Truth;
  return *this;
}
Row& Row::distinct() {
  distinct_ = true;
  return *this;
}
Row& Row::reference(Reference f) {
  reference_ = std::move(f);
  return *this;
}
Row& Row::also_dtypes(std::vector<ScalarType> types) {
  dtypes_.insert(dtypes_.end(), types.begin(), types.end());
  return *this;
}
Row& Row::dtypes(std::vector<ScalarType> types) {
  dtypes_ = std::move(types);
  return *this;
}
Row& Row::integers() { return also_dtypes({kByte, kChar, kShort, kInt, kLong, kBool}); }
Row& Row::tolerance(double factor) {
  tolerance_ = factor;
  return *this;
}
Row& Row::order(int order, std::string reason) {
  order_ = order;
  order_reason_ = std::move(reason);
  return *this;
}
Row& Row::fixed_shapes() {
  fixed_ = true;
  return *this;
}
Row& Row::finite_only(std::string reason) {
  finite_reason_ = std::move(reason);
  return *this;
}
Row& Row::covers(std::vector<std::string> names) {
  covers_ = std::move(names);
  return *this;
}
Row& Row::error(std::string what, std::function<void()> run, std::string message) {
  errors_.push_back({std::move(what), std::move(run), std::move(message)});
  return *this;
}
Row& Row::inplace(std::function<void(In)> f) {
  inplace_ = std::move(f);
  return *this;
}
Row& Row::large(std::vector<std::vector<int64_t>> shapes) {
  large_ = std::move(shapes);
  return *this;
}

Row& Table::row(std::string name) {
  rows.push_back(std::make_unique<Row>(std::move(name)));
  return *rows.back();
}

Family*& Family::first() {
  static Family* head = nullptr;
  return head;
}
Family::Family(const char* n, void (*f)(Table&)) : name(n), add(f), next(first()) { first() = this; }

}  // namespace op_table
