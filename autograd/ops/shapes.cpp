#include <fulmen/autograd/ops/shapes.h>

namespace fulmen {

int64_t wrap_dim(int64_t dim, int64_t ndim) {
  int64_t limit = ndim == 0 ? 1 : ndim;
  FULMEN_CHECK_INDEX(dim >= -limit && dim < limit, "Dimension out of range (expected to be in range of [", -limit, ", ",
                     limit - 1, "], but got ", dim, ")");
  return dim < 0 ? dim + limit : dim;
}

Shape broadcast_shapes(IntArrayRef a, IntArrayRef b) {
  if (a.size() < b.size()) std::swap(a, b);
  Shape out = a;
  size_t lead = a.size() - b.size();
  for (size_t i = 0; i < b.size(); ++i) {
    int64_t x = a[i + lead], y = b[i];
    FULMEN_CHECK(x == y || x == 1 || y == 1, "The size of tensor a (", x, ") must match the size of tensor b (", y,
                 ") at non-singleton dimension ", i + lead);
    out[i + lead] = x == 1 ? y : x;
  }
  return out;
}

std::optional<Shape> strides_for(const Tensor& x, IntArrayRef sizes) {
  Shape strides(sizes.size(), 0);
  if (x.numel() == 0) {
    int64_t step = 1;
    for (size_t i = sizes.size(); i-- > 0;) {
      strides[i] = step;
      step *= sizes[i] > 1 ? sizes[i] : 1;
    }
    return strides;
  }
  IntArrayRef from = x.sizes(), from_strides = x.strides();
  auto to = static_cast<int64_t>(sizes.size()) - 1;
  int64_t chunk_stride = from.empty() ? 1 : from_strides[from.size() - 1], in_chunk = 1, taken = 1;
  auto place = [&]() {
    while (to >= 0 && (taken < in_chunk || sizes[static_cast<size_t>(to)] == 1)) {
      strides[static_cast<size_t>(to)] = taken * chunk_stride;
      taken *= sizes[static_cast<size_t>(to)];
      --to;
    }
    return taken == in_chunk;
  };
  // A chunk is a run of dimensions that lie densely in each other; new dimensions may divide a chunk but not span two.
  for (size_t i = from.size(); i-- > 0;) {
    in_chunk *= from[i];
    bool chunk_ends = i == 0 || (from[i - 1] != 1 && from_strides[i - 1] != in_chunk * chunk_stride);
    if (!chunk_ends) continue;
    if (!place()) return std::nullopt;
    if (i > 0) {
      chunk_stride = from_strides[i - 1];
      in_chunk = taken = 1;
    }
  }
  if (from.empty()) place();
  if (to != -1) return std::nullopt;
  return strides;
}

Shape infer_sizes(IntArrayRef sizes, int64_t numel) {
  Shape out = sizes;
  int64_t known = 1, unknown = -1;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == -1) {
      FULMEN_CHECK(unknown < 0, "only one dimension can be inferred");
      unknown = static_cast<int64_t>(i);
    } else {
      FULMEN_CHECK(sizes[i] >= 0, "invalid shape dimension ", sizes[i]);
      known *= sizes[i];
    }
  }
  bool fits = unknown < 0 ? known == numel : known > 0 ? numel % known == 0 : numel == 0;
  FULMEN_CHECK(fits, "shape '", sizes, "' is invalid for input of size ", numel);
  if (unknown >= 0) {
    FULMEN_CHECK(known != 0, "cannot reshape tensor of 0 elements into shape ", sizes,
                 " because the unspecified dimension size -1 can be any value and is ambiguous");
    out[static_cast<size_t>(unknown)] = numel / known;
  }
  return out;
}

}  // namespace fulmen
