#include <fulmen/autograd/autocast.h>
#include <fulmen/autograd/op.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/indexing.h>
#include <fulmen/autograd/ops/views.h>

#include <cstring>
#include <ostream>

namespace fulmen {

using namespace autograd;

// --- what an index is
// --------------------------------------------------------------------------------------------------

Slice::Slice(std::optional<int64_t> start, std::optional<int64_t> stop, std::optional<int64_t> step)
    : step_(step.value_or(1)) {
  FULMEN_CHECK(step_ != 0, "slice step cannot be zero");
  start_ = start.value_or(step_ < 0 ? max : 0);
  stop_ = stop.value_or(step_ < 0 ? min : max);
}

TensorIndex::TensorIndex(const char* text) : kind_(Kind::Ellipsis) {
  FULMEN_CHECK(std::strcmp(text, "...") == 0, "Expected \"...\" to represent an ellipsis index, but got \"", text,
               "\"");
}

std::ostream& operator<<(std::ostream& out, const Slice& slice) {
  return out << slice.start() << ':' << slice.stop() << ':' << slice.step();
}

std::ostream& operator<<(std::ostream& out, const TensorIndex& index) {
  if (index.is_none()) return out << "None";
  if (index.is_ellipsis()) return out << "...";
  if (index.is_integer()) return out << index.integer();
  if (index.is_boolean()) return out << (index.boolean() ? "true" : "false");
  if (index.is_slice()) return out << index.slice();
  return out << index.tensor();
}

std::ostream& operator<<(std::ostream& out, const std::vector<TensorIndex>& indices) {
  out << '(';
  for (size_t i = 0; i < indices.size(); ++i) out << (i > 0 ? ", " : "") << indices[i];
  return out << ')';
}

// --- applying them
// -----------------------------------------------------------------------------------------------------

namespace {

bool is_mask(const Tensor& t) { return t.scalar_type() == kBool || t.scalar_type() == kByte; }
bool is_whole_number(const Tensor& t) { return t.dim() == 0 && is_integral(t.scalar_type(), false) && !is_mask(t); }

int64_t dims_taken(const TensorIndex& index) {
  if (index.is_integer() || index.is_slice()) return 1;
  if (!index.is_tensor()) return 0;
  return is_mask(index.tensor()) ? index.tensor().dim() : 1;
}

/// The view that the simple indices give, and the index tensors that are left for its dimensions.
struct Sliced {
  Tensor view;
  std::vector<Tensor> tensors;  ///< undefined where a dimension has none
  bool has_tensors() const { return !tensors.empty(); }
};

class Slicer {
 public:
  Slicer(const Tensor& x, ArrayRef<TensorIndex> indices, const char* method) : x_(x) {
    FULMEN_CHECK(!indices.empty(), "Passing an empty index list to Tensor::", method, "() is not valid syntax");
    int64_t taken = 0;
    for (const TensorIndex& index : indices) {
      FULMEN_CHECK(!index.is_tensor() || index.tensor().defined(), method, ": an index tensor is undefined");
      taken += dims_taken(index);
    }
    const bool lone_number = indices.size() == 1 && (indices[0].is_integer() || indices[0].is_slice());
    FULMEN_CHECK_INDEX(taken <= x.dim() || lone_number, "too many indices for tensor of dimension ", x.dim());
    untouched_ = x.dim() - taken;
    result_.view = x;
    for (const TensorIndex& index : indices) apply(index);
  }
  Sliced take() { return std::move(result_); }

 private:
  void apply(const TensorIndex& index) {
    if (index.is_none()) {
      result_.view = result_.view.unsqueeze(dim_++);
    } else if (index.is_ellipsis()) {
      dim_ += untouched_;
      x_dim_ += untouched_;
      untouched_ = 0;
    } else if (index.is_integer()) {
      select(index.integer());
    } else if (index.is_boolean()) {
      add_boolean(index.boolean());
    } else if (index.is_slice()) {
      slice(index.slice());
    } else {
      add_tensor(index.tensor());
    }
  }

  void select(int64_t at) {
    FULMEN_CHECK_INDEX(x_.dim() > 0,
                       "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to "
                       "convert a 0-dim tensor to a number");
    const int64_t size = result_.view.size(dim_);
    FULMEN_CHECK_INDEX(at >= -size && at < size, "index ", at, " is out of bounds for dimension ", x_dim_,
                       " with size ", size);
    result_.view = result_.view.select(dim_, at);
    ++x_dim_;
  }

  void slice(const Slice& range) {
    FULMEN_CHECK_INDEX(x_.dim() > 0, "slice() cannot be applied to a 0-dim tensor.");
    FULMEN_CHECK(range.step() > 0, "step must be greater than zero; got ", range.step());
    result_.view = result_.view.slice(dim_++, range.start(), range.stop(), range.step());
    ++x_dim_;
  }

  // A truth value is a new dimension that is kept or dropped.
  void add_boolean(bool value) {
    result_.view = result_.view.unsqueeze(dim_);
    record(value ? zeros(1, result_.view.options().dtype(kLong)) : empty(0, result_.view.options().dtype(kLong)));
  }

  void add_tensor(const Tensor& index) {
    if (is_whole_number(index)) return select(index.item<int64_t>());
    if (index.dim() == 0 && is_mask(index)) return add_boolean(index.item<bool>());
    const int64_t taken = is_mask(index) ? index.dim() : 1;
    record(index);
    dim_ += taken - 1;
    x_dim_ += taken;
  }

  void record(const Tensor& index) {
    // A mask before this one stands for several dimensions but one entry.
    while (entries_dims_ < dim_) {
      result_.tensors.emplace_back();
      ++entries_dims_;
    }
    result_.tensors.push_back(index);
    entries_dims_ += is_mask(index) ? index.dim() : 1;
    ++dim_;
  }

  const Tensor& x_;
  Sliced result_;
  int64_t untouched_ = 0;     ///< dimensions that an ellipsis stands for
  int64_t dim_ = 0;           ///< of the view
  int64_t x_dim_ = 0;         ///< of x, for messages
  int64_t entries_dims_ = 0;  ///< dimensions of the view that `tensors` accounts for
};

/// Values may have more leading dimensions of size 1 than what they are written to.
Tensor without_leading_ones(const Tensor& values, int64_t wanted_dims) {
  Tensor v = values;
  while (v.dim() > wanted_dims && v.size(0) == 1) v = v.squeeze(0);
  return v;
}

}  // namespace

Tensor index(const Tensor& x, ArrayRef<TensorIndex> indices) {
  const Sliced sliced = Slicer(x, indices, "index").take();
  if (sliced.has_tensors()) return index_get(sliced.view, index_positions(sliced.view, sliced.tensors));
  return sliced.view.is_same(x) ? x.expand(x.sizes()) : sliced.view;
}
Tensor index(const Tensor& x, std::initializer_list<TensorIndex> indices) {
  return index(x, ArrayRef<TensorIndex>(indices));
}

Tensor& index_put_(const Tensor& x, ArrayRef<TensorIndex> indices, const Tensor& values, bool accumulate) {
  Tensor& self = const_cast<Tensor&>(x);
  const Sliced sliced = Slicer(x, indices, "index_put_").take();
  if (!sliced.has_tensors()) {
    const Tensor from = without_leading_ones(values, sliced.view.dim());
    accumulate ? sliced.view.add_(from) : sliced.view.copy_(from);
    return self;
  }
  const IndexPositions at = index_positions(sliced.view, sliced.tensors);
  const auto result_dims =
      sliced.view.dim() - static_cast<int64_t>(at.dims.size()) + static_cast<int64_t>(at.shape.size());
  index_put_at(sliced.view, at, without_leading_ones(values, result_dims), accumulate);
  return self;
}
Tensor& index_put_(const Tensor& x, std::initializer_list<TensorIndex> indices, const Tensor& values, bool accumulate) {
  return index_put_(x, ArrayRef<TensorIndex>(indices), values, accumulate);
}

Tensor index_put(const Tensor& x, ArrayRef<TensorIndex> indices, const Tensor& values, bool accumulate) {
  if (autocast::applies(autocast::promoted_on_cuda, x)) {
    return autocast::recast(
        autocast::promoted_on_cuda,
        [&](const Tensor& to, const Tensor& from) { return index_put(to, indices, from, accumulate); }, x, values);
  }
  Tensor y = x.clone();
  index_put_(y, indices, values, accumulate);
  return y;
}

// --- members
// -----------------------------------------------------------------------------------------------------------

Tensor Tensor::operator[](const Tensor& at) const {
  FULMEN_CHECK(at.defined(), "Can only index with tensors that are defined");
  FULMEN_CHECK(at.dim() == 0, "Can only index with tensors that are scalars (zero-dim)");
  return (*this)[at.item()];
}
Tensor Tensor::operator[](const Scalar& at) const {
  FULMEN_CHECK(at.isIntegral(false), "Can only index tensors with integral scalars");
  return (*this)[at.toLong()];
}
Tensor Tensor::index(ArrayRef<TensorIndex> indices) const { return fulmen::index(*this, indices); }
Tensor Tensor::index(std::initializer_list<TensorIndex> indices) const { return fulmen::index(*this, indices); }
Tensor& Tensor::index_put_(ArrayRef<TensorIndex> indices, const Tensor& values, bool accumulate) const {
  return fulmen::index_put_(*this, indices, values, accumulate);
}
Tensor& Tensor::index_put_(std::initializer_list<TensorIndex> indices, const Tensor& values, bool accumulate) const {
  return fulmen::index_put_(*this, indices, values, accumulate);
}
Tensor& Tensor::index_put_(ArrayRef<TensorIndex> indices, const Scalar& value) const {
  FULMEN_CHECK(!indices.empty(), "Passing an empty index list to Tensor::index_put_() is not valid syntax");
  return fulmen::index_put_(*this, indices, full({}, value, options()));
}
Tensor& Tensor::index_put_(std::initializer_list<TensorIndex> indices, const Scalar& value) const {
  return index_put_(ArrayRef<TensorIndex>(indices), value);
}

}  // namespace fulmen
