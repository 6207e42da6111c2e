// LibTorch's text form of tensors, character for character.
#include <fulmen/tensor/tensor.h>

#include <charconv>
#include <cmath>
#include <iomanip>
#include <ostream>

namespace fulmen {

namespace {

/// Puts a stream's format back when it goes, and starts with the default one.
class FormatScope {
 public:
  explicit FormatScope(std::ostream& out) : out_(out), saved_(nullptr) {
    saved_.copyfmt(out);
    out.copyfmt(std::ios(nullptr));
  }
  ~FormatScope() { out_.copyfmt(saved_); }
  FormatScope(const FormatScope&) = delete;

 private:
  std::ostream& out_;
  std::ios saved_;
};

/// All elements as doubles, row-major.
std::vector<double> values_of(const Tensor& x) {
  std::vector<double> values;
  values.reserve(static_cast<size_t>(x.numel()));
  const int64_t dims = x.dim();
  std::vector<int64_t> index(static_cast<size_t>(dims), 0);
  const auto* element = static_cast<const char*>(x.data_ptr());
  const int64_t bytes = x.element_size();
  for (int64_t i = 0; i < x.numel(); ++i) {
    switch (x.scalar_type()) {
#define X(T, N)                                                                  \
  case ScalarType::N:                                                            \
    values.push_back(static_cast<double>(*reinterpret_cast<const T*>(element))); \
    break;
      FULMEN_FOR_EACH_DTYPE(X)
#undef X
      case ScalarType::Undefined:
        break;
    }
    for (int64_t d = dims - 1; d >= 0; --d) {
      int64_t& at = index[static_cast<size_t>(d)];
      element += x.strides()[static_cast<size_t>(d)] * bytes;
      if (++at < x.sizes()[static_cast<size_t>(d)]) break;
      element -= at * x.strides()[static_cast<size_t>(d)] * bytes;
      at = 0;
    }
  }
  return values;
}

/// A matrix (or column) of the elements that one format is chosen for.
struct Block {
  const double* values;
  int64_t rows, cols;
  int64_t count() const { return rows * cols; }
};

struct NumberFormat {
  double scale = 1;
  int width = 0;
};

int digits_before_point(double magnitude) {
  return magnitude == 0 ? 1 : static_cast<int>(std::floor(std::log10(magnitude))) + 1;
}

/// Chooses scale, width and the stream's number format for a block.
NumberFormat choose_format(std::ostream& out, const Block& block) {
  bool integers = true, any_finite = false;
  double smallest = 1, largest = 1;
  for (int64_t i = 0; i < block.count(); ++i) {
    const double v = std::fabs(block.values[i]);
    if (!std::isfinite(v)) continue;
    integers = integers && v == std::ceil(v);
    smallest = any_finite ? std::min(smallest, v) : v;
    largest = any_finite ? std::max(largest, v) : v;
    any_finite = true;
  }
  const int low = any_finite ? digits_before_point(smallest) : 1, high = any_finite ? digits_before_point(largest) : 1;
  if (integers) {
    if (high > 9) {
      out << std::scientific << std::setprecision(4);
      return {1, 11};
    }
    out << std::defaultfloat;
    return {1, high + 1};
  }
  if (high - low > 4) {
    out << std::scientific << std::setprecision(4);
    return {1, std::abs(high) > 99 || std::abs(low) > 99 ? 12 : 11};
  }
  out << std::fixed << std::setprecision(4);
  if (high > 5 || high < 0) return {std::pow(10.0, high - 1), 7};
  return {1, high == 0 ? 7 : high + 6};
}

/// The fewest digits that give the double back: 0.5, 10000000000, 1e-07; an exponent below 1e-4 and from 1e16 on.
std::string shortest(double v) {
  if (!std::isfinite(v)) return std::isnan(v) ? "nan" : v < 0 ? "-inf" : "inf";
  const double magnitude = std::fabs(v);
  const bool fixed = v == 0 || (magnitude >= 1e-4 && magnitude < 1e16);
  char text[64];
  const auto end =
      std::to_chars(text, text + sizeof text, v, fixed ? std::chars_format::fixed : std::chars_format::scientific);
  return {text, end.ptr};
}

void print_scale(std::ostream& out, double scale) { out << shortest(scale) << " *\n"; }

void print_column(std::ostream& out, const Block& block) {
  const NumberFormat format = choose_format(out, block);
  if (format.scale != 1) print_scale(out, format.scale);
  for (int64_t i = 0; i < block.rows; ++i) {
    out << std::setw(format.width) << block.values[i] / format.scale << '\n';
  }
}

/// Rows of numbers, in groups of as many columns as fit on a line.
void print_matrix(std::ostream& out, const Block& block, int64_t indent, int64_t line_size) {
  const NumberFormat format = choose_format(out, block);
  const std::string margin(static_cast<size_t>(indent), ' ');
  const int64_t per_line = std::max<int64_t>(1, (line_size - indent) / (format.width + 1));
  for (int64_t first = 0; first < block.cols; first += per_line) {
    const int64_t last = std::min(first + per_line, block.cols) - 1;
    if (per_line < block.cols) {
      if (first != 0) out << '\n';
      out << "Columns " << first + 1 << " to " << last + 1 << margin;
    }
    if (format.scale != 1) {
      print_scale(out, format.scale);
      out << margin;
    }
    for (int64_t row = 0; row < block.rows; ++row) {
      for (int64_t col = first; col <= last; ++col) {
        out << std::setw(format.width) << block.values[row * block.cols + col] / format.scale;
        out << (col == last ? '\n' : ' ');
      }
      if (row + 1 < block.rows) out << margin << (format.scale != 1 ? " " : "");
    }
  }
}

/// Every matrix of the last two dimensions under a title; the first dimension counts fastest.
void print_matrices(std::ostream& out, const Tensor& x, const std::vector<double>& values, int64_t line_size) {
  const auto outer = static_cast<size_t>(x.dim() - 2);
  const int64_t rows = x.size(-2), cols = x.size(-1);
  std::vector<int64_t> index(outer, 0);
  for (int64_t count = x.numel() / (rows * cols); count > 0; --count) {
    int64_t matrix = 0;
    out << '(';
    for (size_t d = 0; d < outer; ++d) {
      out << index[d] + 1 << ',';
      matrix = matrix * x.sizes()[d] + index[d];
    }
    out << ".,.) = \n";
    print_matrix(out, {values.data() + matrix * rows * cols, rows, cols}, 1, line_size);
    if (count > 1) out << '\n';
    for (size_t d = 0; d < outer && ++index[d] == x.sizes()[d]; ++d) index[d] = 0;
  }
}

}  // namespace

std::ostream& print(std::ostream& out, const Tensor& tensor, int64_t line_size) {
  FormatScope scope(out);
  if (!tensor.defined()) return out << "[ Tensor (undefined) ]";
  const std::vector<double> values = values_of(tensor.is_cpu() ? tensor : tensor.data().cpu());
  if (tensor.dim() == 0) {
    out << shortest(values[0]) << '\n';
  } else if (tensor.numel() > 0) {
    if (tensor.dim() == 1) print_column(out, {values.data(), tensor.numel(), 1});
    if (tensor.dim() == 2) print_matrix(out, {values.data(), tensor.size(0), tensor.size(1)}, 0, line_size);
    if (tensor.dim() > 2) print_matrices(out, tensor, values, line_size);
  }
  out << "[ " << (tensor.is_cuda() ? "CUDA" : "CPU") << to_string(tensor.scalar_type()) << "Type{";
  const char* comma = "";
  for (int64_t size : tensor.sizes()) {
    out << comma << size;
    comma = ",";
  }
  return out << "} ]";
}

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) { return print(out, tensor, 80); }

}  // namespace fulmen
