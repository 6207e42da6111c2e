#pragma once
#include <fulmen/tensor/tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

// The op table: one row per operation. A row says what to call, on which inputs, and what a naive reference in double
// precision gives; the rest follows by itself:
//   values in every dtype; inputs contiguous, transposed, sliced, expanded, empty and 0-dimensional; NaN and infinity;
//   first and second derivatives against finite differences in random directions; the same bits for 1, 2 and 4 threads;
//   fences around the memory of every tensor that the op makes; the in-place form; declared errors with their text; a
//   speed figure (--speed). With --device cuda all of it happens there, and what a device does twice must be the same.
//
//   table.row("exp").inputs({{3, 4}}).domain(-3, 3).call([](In in) { return exp(in[0]); })
//       .reference(elementwise([](double x) { return std::exp(x); }));
//
// A row's name is the op's `name`, with a variant after a slash if there are several ("sum/dim"); ops that it runs
// besides (a backward op) are named with covers(). Adding a family: write rows_<family>.cpp with
//   OP_TABLE_ROWS(family) { table.row(...)...; }
// scripts/check_op_rows compares the names with the sources.
namespace op_table {

using namespace fulmen;

/// A plain array in row-major order: what references compute on.
struct Array {
  std::vector<int64_t> sizes;
  std::vector<double> data;
  int64_t numel() const { return static_cast<int64_t>(data.size()); }
  int64_t size(int64_t d) const {
    return sizes[static_cast<size_t>(d < 0 ? d + static_cast<int64_t>(sizes.size()) : d)];
  }
  double& operator[](int64_t i) { return data[static_cast<size_t>(i)]; }
  double operator[](int64_t i) const { return data[static_cast<size_t>(i)]; }
};
/// An array of zeros.
Array array(std::vector<int64_t> sizes);
/// The position of `index` in `a`, where dimensions of size 1 are broadcast and leading ones may be missing.
int64_t broadcast_position(const Array& a, const std::vector<int64_t>& index);
/// Calls f(index) for every index of `sizes`, in row-major order.
void for_each_index(const std::vector<int64_t>& sizes, const std::function<void(const std::vector<int64_t>&)>& f);

using In = const std::vector<Tensor>&;
using Call = std::function<std::vector<Tensor>(In)>;
using Reference = std::function<std::vector<Array>(const std::vector<Array>&)>;

Reference elementwise(std::function<double(double)> f);
Reference elementwise(std::function<double(double, double)> f);
Reference elementwise(std::function<double(double, double, double)> f);

/// Options for tensors that a row makes itself, on the device under test.
Device& device_under_test();
inline TensorOptions here() { return TensorOptions().device(device_under_test()); }
inline TensorOptions here(ScalarType dtype) { return here().dtype(dtype); }

struct ErrorCase {
  std::string what;
  std::function<void()> run;
  std::string message;
};

/// One way to call an op. Setters return the row.
class Row {
 public:
  /// Shapes of the tensor inputs; called again, adds another set.
  Row& inputs(std::vector<std::vector<int64_t>> shapes);
  /// Values are drawn from [low, high], at least `margin` away from every `kink` (where the derivative jumps).
  Row& domain(double low, double high, std::vector<double> kinks = {}, double margin = 0.05);
  /// The domain of input i alone.
  Row& domain_of(size_t i, double low, double high);
  /// Input i holds integers of [low, high] as int64 (indices, labels), in every dtype run, and has no derivative.
  Row& integer_input(size_t i, int64_t low, int64_t high);
  /// Input i holds truth values.
  Row& bool_input(size_t i);
  /// All values of an input differ from each other (no ties).
  Row& distinct();
  template <class F>
  Row& call(F f) {
    if constexpr (std::is_same_v<std::invoke_result_t<F, In>, Tensor>) {
      call_ = [f](In in) { return std::vector<Tensor>{f(in)}; };
    } else {
      call_ = f;
    }
    return *this;
  }
  Row& reference(Reference f);
  /// dtypes besides float64, float32, float16 and bfloat16.
  Row& also_dtypes(std::vector<ScalarType> types);
  Row& dtypes(std::vector<ScalarType> types);
  /// Every integer dtype and bool as well.
  Row& integers();
  /// Multiplies the tolerances (sums of many terms, ill-conditioned functions).
  Row& tolerance(double factor);
  /// How often it may be differentiated; less than 2 needs a reason.
  Row& order(int order, std::string reason);
  /// Not run on empty or 0-dimensional inputs (shapes of inputs are fixed by the op).
  Row& fixed_shapes();
  /// Values at NaN and infinity are not compared: the reason says why.
  Row& finite_only(std::string reason);
  /// Other ops that this row runs.
  Row& covers(std::vector<std::string> names);
  Row& error(std::string what, std::function<void()> run, std::string message);
  /// The op in place, on its first input: must give what call() gives, and count as a write.
  Row& inplace(std::function<void(In)> f);
  /// Shapes for the speed figure and the comparison of thread counts.
  Row& large(std::vector<std::vector<int64_t>> shapes);

  const std::string name;
  std::vector<std::vector<std::vector<int64_t>>> shapes_;
  double low_ = -2, high_ = 2, margin_ = 0;
  std::vector<double> kinks_;
  struct InputKind {
    enum { Real, Integer, Truth } kind = Real;
    double low = 0, high = 0;
    bool own_domain = false;
  };
  std::vector<InputKind> kinds_;
  bool distinct_ = false, fixed_ = false;
  Call call_;
  Reference reference_;
  std::function<void(In)> inplace_;
  std::vector<ScalarType> dtypes_{kDouble, kFloat, kHalf, kBFloat16};
  double tolerance_ = 1;
  int order_ = 2;
  std::string order_reason_, finite_reason_;
  std::vector<std::string> covers_;
  std::vector<ErrorCase> errors_;
  std::vector<std::vector<int64_t>> large_;

  explicit Row(std::string n) : name(std::move(n)) {}

 private:
  InputKind& kind(size_t i);
};

class Table {
 public:
  Row& row(std::string name);
  std::vector<std::unique_ptr<Row>> rows;
};

/// What became of one check of one row.
struct Result {
  enum Kind { Passed, Failed, Skipped } kind;
  std::string check, detail;
};
/// All checks of a row on `device`.
std::vector<Result> check(const Row& row, const Device& device);
/// Nanoseconds per call at the row's large shapes (0 if it has none).
double speed(const Row& row, const Device& device);

/// The rows of one file, found through a list that static objects of the test program make.
struct Family {
  Family(const char* name, void (*add)(Table&));
  const char* name;
  void (*add)(Table&);
  Family* next;
  static Family*& first();
};
#define OP_TABLE_ROWS(family)                                                    \
  static void rows_of_##family(::op_table::Table& table);                        \
  static const ::op_table::Family family_of_##family{#family, rows_of_##family}; \
  static void rows_of_##family(::op_table::Table& table)

}  // namespace op_table
