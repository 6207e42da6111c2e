#include <fulmen/autograd/ops/creation.h>
#include <fulmen/nn/generation/language_model.h>

#include <algorithm>

namespace fulmen::nn {

KeyValueCache::KeyValueCache(const Sizes& s, std::vector<int64_t> padding, const Tensor& like)
    : padding_(std::move(padding)), capacity_(s.capacity) {
  FULMEN_CHECK(padding_.empty() || padding_.size() == static_cast<size_t>(s.rows), "KeyValueCache: ", padding_.size(),
               " paddings for ", s.rows, " rows");
  if (std::all_of(padding_.begin(), padding_.end(), [](int64_t p) { return p == 0; })) padding_.clear();
  for (int64_t layer = 0; layer < s.layers; ++layer) {
    for (auto* list : {&keys_, &values_}) {
      list->push_back(zeros({s.rows, s.heads, s.capacity, s.head_dim}, like.options().requires_grad(false)));
    }
  }
}

void KeyValueCache::select_rows(const Tensor& rows) {
  const Tensor here = rows.to(kCPU).contiguous();
  const auto* chosen = here.data_ptr<int64_t>();
  std::vector<int64_t> padding;
  for (int64_t i = 0; !padding_.empty() && i < here.numel(); ++i) {
    padding.push_back(padding_.at(static_cast<size_t>(chosen[i])));
  }
  padding_ = std::move(padding);
  for (auto* list : {&keys_, &values_}) {
    for (Tensor& tensor : *list) tensor = tensor.index_select(0, here.to(tensor.device()));
  }
}

std::pair<Tensor, Tensor> KeyValueCache::append(int64_t layer, const Tensor& keys, const Tensor& values) {
  const int64_t n = keys.size(2);
  FULMEN_CHECK(length_ + n <= capacity_, "KeyValueCache: ", length_ + n, " tokens, and room for ", capacity_);
  Tensor &all_keys = keys_.at(static_cast<size_t>(layer)), &all_values = values_.at(static_cast<size_t>(layer));
  all_keys.narrow(2, length_, n).copy_(keys);
  all_values.narrow(2, length_, n).copy_(values);
  return {all_keys.narrow(2, 0, length_ + n), all_values.narrow(2, 0, length_ + n)};
}

Tensor KeyValueCache::positions(int64_t n) const {
  const Device device = keys_.at(0).device();
  if (padding_.empty()) return arange(length_, length_ + n, TensorOptions(kLong)).to(device);
  Tensor all = empty({static_cast<int64_t>(padding_.size()), n}, TensorOptions(kLong));
  auto* position = all.data_ptr<int64_t>();
  for (int64_t padding : padding_) {
    for (int64_t i = 0; i < n; ++i) *position++ = std::max<int64_t>(length_ + i - padding, 0);
  }
  return all.to(device);
}

Tensor KeyValueCache::mask(int64_t n) const {
  if (padding_.empty() && n == 1) return {};
  const auto rows = padding_.empty() ? int64_t{1} : static_cast<int64_t>(padding_.size());
  Tensor all = empty({rows, 1, n, length_ + n}, TensorOptions(kBool));
  auto* seen = all.data_ptr<bool>();
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t padding = padding_.empty() ? 0 : padding_[static_cast<size_t>(row)];
    for (int64_t i = length_; i < length_ + n; ++i) {
      // A token of the padding sees itself alone: no row of scores may be empty.
      for (int64_t j = 0; j < length_ + n; ++j) *seen++ = (j >= padding && j <= i) || j == i;
    }
  }
  return all.to(keys_.at(0).device());
}

}  // namespace fulmen::nn
