#pragma once
#include <fulmen/tensor/tensor.h>

namespace fulmen {

/// A range of a dimension: start, start + step, ... before stop. Bounds are clamped, negative ones count from the end.
class Slice {
 public:
  static constexpr int64_t max = INT64_MAX, min = INT64_MIN;
  /// Throws for step 0.
  Slice(std::optional<int64_t> start = std::nullopt, std::optional<int64_t> stop = std::nullopt,
        std::optional<int64_t> step = std::nullopt);
  int64_t start() const { return start_; }
  int64_t stop() const { return stop_; }
  int64_t step() const { return step_; }

 private:
  int64_t start_, stop_, step_;
};
/// "1:2:3"
std::ostream& operator<<(std::ostream& out, const Slice& slice);

namespace indexing {
enum class EllipsisIndexType { Ellipsis };
inline constexpr EllipsisIndexType Ellipsis = EllipsisIndexType::Ellipsis;
inline constexpr std::nullopt_t None = std::nullopt;
inline constexpr int64_t INDEX_MAX = Slice::max, INDEX_MIN = Slice::min;
}  // namespace indexing

/// What may stand in `t.index({...})`: None (a new dimension), "..." (all dimensions that are left), an integer, a
/// truth value, a Slice, or a tensor of integers or truth values.
struct TensorIndex {
  TensorIndex(std::nullopt_t) : kind_(Kind::None) {}
  TensorIndex(indexing::EllipsisIndexType) : kind_(Kind::Ellipsis) {}
  /// "..." only.
  TensorIndex(const char* text);
  template <class T>
  requires(std::is_integral_v<T>) TensorIndex(T value)
      : kind_(std::is_same_v<T, bool> ? Kind::Boolean : Kind::Integer), integer_(static_cast<int64_t>(value)) {}
  TensorIndex(Slice slice) : kind_(Kind::Slice), slice_(slice) {}
  TensorIndex(Tensor tensor) : kind_(Kind::Tensor), tensor_(std::move(tensor)) {}

  bool is_none() const { return kind_ == Kind::None; }
  bool is_ellipsis() const { return kind_ == Kind::Ellipsis; }
  bool is_integer() const { return kind_ == Kind::Integer; }
  bool is_boolean() const { return kind_ == Kind::Boolean; }
  bool is_slice() const { return kind_ == Kind::Slice; }
  bool is_tensor() const { return kind_ == Kind::Tensor; }
  int64_t integer() const { return integer_; }
  bool boolean() const { return integer_ != 0; }
  const Slice& slice() const { return slice_; }
  const Tensor& tensor() const { return tensor_; }

 private:
  enum class Kind : uint8_t { None, Ellipsis, Integer, Boolean, Slice, Tensor } kind_;
  int64_t integer_ = 0;
  Slice slice_;
  Tensor tensor_;
};
std::ostream& operator<<(std::ostream& out, const TensorIndex& index);
/// "(None, ..., 1:2:3)"
std::ostream& operator<<(std::ostream& out, const std::vector<TensorIndex>& indices);

namespace indexing {
using fulmen::Slice;
using fulmen::TensorIndex;
}  // namespace indexing

/// PyTorch's x[indices]: a view if no tensors or truth values are among the indices, otherwise a copy. Index tensors
/// broadcast together; masks stand for the positions that are true. Several index tensors that are not neighbours put
/// their dimensions first.
Tensor index(const Tensor& x, ArrayRef<TensorIndex> indices);
Tensor index(const Tensor& x, std::initializer_list<TensorIndex> indices);
/// x[indices] = values, which broadcast; with `accumulate` += instead, where a position that comes up several times
/// collects all values.
Tensor& index_put_(const Tensor& x, ArrayRef<TensorIndex> indices, const Tensor& values, bool accumulate = false);
Tensor& index_put_(const Tensor& x, std::initializer_list<TensorIndex> indices, const Tensor& values,
                   bool accumulate = false);
/// A copy of x with x[indices] = values.
Tensor index_put(const Tensor& x, ArrayRef<TensorIndex> indices, const Tensor& values, bool accumulate = false);

namespace autograd {

/// Index tensors for dimensions of a tensor (undefined where a dimension is not indexed), as one list of positions.
struct IndexPositions {
  Tensor places;     ///< int64, [count]: row-major positions over the sizes of the indexed dimensions
  Shape shape;       ///< what the index tensors broadcast to
  Shape dims;        ///< the indexed dimensions
  int64_t position;  ///< where `shape` goes among the other dimensions of the result
};
/// Throws IndexError for wrong dtypes, shapes and positions out of range; warns about uint8 masks.
IndexPositions index_positions(const Tensor& x, const std::vector<Tensor>& indices);
Tensor index_get(const Tensor& x, const IndexPositions& at);
Tensor& index_put_at(const Tensor& x, const IndexPositions& at, const Tensor& values, bool accumulate);

}  // namespace autograd

}  // namespace fulmen
