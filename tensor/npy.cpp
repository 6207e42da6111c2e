#include <fulmen/kernels/view.h>
#include <fulmen/tensor/atomic_file.h>
#include <fulmen/tensor/byte_source.h>
#include <fulmen/tensor/npy.h>

#include <algorithm>
#include <cstring>

namespace fulmen {

namespace {

constexpr std::string_view magic = "\x93NUMPY";
constexpr uint64_t max_header = 1 << 20;
// In the order of ScalarType, without byte order; bfloat16 has none.
constexpr std::string_view descriptions[] = {"u1", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "b1"};

struct Header {
  ScalarType dtype = ScalarType::Undefined;
  bool swapped = false, fortran_order = false;
  std::vector<int64_t> shape;
};

/// Parses the header, a Python dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class HeaderParser {
 public:
  HeaderParser(const ByteSource& source, std::string text) : source_(source), text_(std::move(text)) {}

  Header parse() {
    expect('{');
    while (!take('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr") {
        once(1, key);
        read_dtype();
      } else if (key == "fortran_order") {
        once(2, key);
        header_.fortran_order = truth();
      } else if (key == "shape") {
        once(4, key);
        read_shape();
      } else {
        refuse("has the unknown key '" + key + "'");
      }
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    skip_spaces();
    if (at_ != text_.size()) refuse("has text after the closing brace");
    if (seen_ != 7) refuse("lacks one of 'descr', 'fortran_order' and 'shape'");
    return header_;
  }

 private:
  [[noreturn]] void refuse(const std::string& what) {
    source_.refuse("wrong header: " + what + " at byte " + std::to_string(at_));
  }
  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool take(char c) {
    skip_spaces();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) refuse(std::string("lacks a '") + c + "'");
  }
  void once(int field, const std::string& key) {
    if (seen_ & field) refuse("has the key '" + key + "' twice");
    seen_ |= field;
  }
  std::string quoted() {
    skip_spaces();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') refuse("lacks a quoted text");
    const size_t end = text_.find(quote, at_ + 1);
    if (end == std::string::npos) refuse("has a text without closing quote");
    std::string inside = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return inside;
  }
  bool truth() {
    skip_spaces();
    for (const std::string_view word : {"True", "False"}) {
      if (std::string_view(text_).substr(at_, word.size()) == word) {
        at_ += word.size();
        return word == "True";
      }
    }
    refuse("lacks True or False");
  }
  void read_dtype() {
    const std::string text = quoted();
    const char order = text.empty() ? '\0' : text[0];
    for (size_t i = 0; i < std::size(descriptions); ++i) {
      if (text.size() == 3 && text.substr(1) == descriptions[i]) header_.dtype = static_cast<ScalarType>(i);
    }
    const bool known_order = order == '<' || order == '=' || order == '|' || order == '>';
    if (!known_order || header_.dtype == ScalarType::Undefined)
      refuse("has dtype '" + text + "', which is not supported");
    header_.swapped = order == '>';
  }
  void read_shape() {
    expect('(');
    while (!take(')')) {
      header_.shape.push_back(number());
      if (header_.shape.size() > static_cast<size_t>(max_dims)) refuse("has too many dimensions");
      if (!take(',')) {
        expect(')');
        break;
      }
    }
  }
  int64_t number() {
    skip_spaces();
    int64_t value = 0;
    const size_t first = at_;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      if (__builtin_mul_overflow(value, int64_t{10}, &value) ||
          __builtin_add_overflow(value, int64_t{text_[at_] - '0'}, &value)) {
        refuse("has a size that is too large");
      }
    }
    if (at_ == first) refuse("lacks a number");
    return value;
  }

  const ByteSource& source_;
  std::string text_;
  size_t at_ = 0;
  int seen_ = 0;
  Header header_;
};

/// Returns where the data begins.
uint64_t read_header(const ByteSource& source, Header& header) {
  unsigned char start[12] = {};
  source.read(0, start, 8);
  if (std::memcmp(start, magic.data(), magic.size()) != 0)
    source.refuse("is no npy file: it does not begin with \\x93NUMPY");
  const int major = start[6];
  if (major < 1 || major > 3) source.refuse(str("has npy version ", major, "; 1 to 3 are supported"));
  const uint64_t length_bytes = major == 1 ? 2 : 4;
  source.read(8, start + 8, length_bytes);
  uint64_t length = 0;
  for (uint64_t i = length_bytes; i-- > 0;) length = length << 8 | start[8 + i];
  if (length > max_header)
    source.refuse(str("has a header of ", length, " bytes; at most ", max_header, " are allowed"));
  std::string text(length, '\0');
  source.read(8 + length_bytes, text.data(), length);
  header = HeaderParser(source, std::move(text)).parse();
  return 8 + length_bytes + length;
}

void swap_bytes(void* data, size_t bytes, size_t width) {
  auto* at = static_cast<char*>(data);
  for (size_t i = 0; i < bytes; i += width) std::reverse(at + i, at + i + width);
}

Tensor read(const ByteSource& source) {
  Header header;
  const uint64_t start = read_header(source, header);
  uint64_t bytes = static_cast<uint64_t>(element_size(header.dtype));
  for (int64_t size : header.shape) {
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(size), &bytes)) source.refuse("is too large");
  }
  if (source.size() - start < bytes) {
    source.refuse(str("ends early: ", bytes, " bytes of data wanted, ", source.size() - start, " are there"));
  }
  if (source.size() - start > bytes) source.refuse(str("has ", source.size() - start - bytes, " bytes after the data"));
  if (header.fortran_order) std::reverse(header.shape.begin(), header.shape.end());
  Tensor tensor = Tensor::adopt(TensorImpl::allocate(header.shape, header.dtype, Device(kCPU)));
  source.read(start, tensor.data_ptr(), bytes);
  if (header.swapped) swap_bytes(tensor.data_ptr(), bytes, static_cast<size_t>(tensor.element_size()));
  if (header.dtype == kBool) {
    const auto* values = static_cast<const unsigned char*>(tensor.data_ptr());
    if (std::any_of(values, values + bytes, [](unsigned char v) { return v > 1; })) {
      source.refuse("is bool but has values other than 0 and 1");
    }
  }
  if (!header.fortran_order) return tensor;
  std::vector<int64_t> reversed(header.shape.size());
  for (size_t i = 0; i < reversed.size(); ++i) reversed[i] = static_cast<int64_t>(reversed.size() - 1 - i);
  return tensor.permute(reversed).contiguous();
}

std::string header_of(const Tensor& tensor) {
  FULMEN_CHECK(tensor.defined(), "save_npy: the tensor is undefined");
  FULMEN_CHECK(tensor.scalar_type() != kBFloat16, "save_npy: numpy has no bfloat16; convert with .to(kFloat)");
  std::string shape;
  for (int64_t size : tensor.sizes()) shape += std::to_string(size) + ", ";
  if (tensor.dim() > 1) shape.resize(shape.size() - 2);
  if (tensor.dim() == 1) shape.resize(shape.size() - 1);
  return npy_header(npy_type(tensor.scalar_type()), shape);
}

}  // namespace

std::string npy_type(ScalarType dtype) {
  return str("'", element_size(dtype) == 1 ? '|' : '<', descriptions[static_cast<int>(dtype)], "'");
}

std::string npy_header(const std::string& type, const std::string& shape, size_t spare) {
  std::string text = str("{'descr': ", type, ", 'fortran_order': False, 'shape': (", shape, "), }");
  // Padded so that the data begins at a multiple of 64.
  const size_t before = magic.size() + 4;
  text.resize((before + text.size() + spare + 1 + 63) / 64 * 64 - before - 1, ' ');
  text += '\n';
  FULMEN_CHECK(text.size() < 65536, "npy: a header of ", text.size(), " bytes is too long for the format");
  std::string header(magic);
  header += '\x01';
  header += '\x00';
  header += static_cast<char>(text.size() & 0xff);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

void save_npy(const std::string& path, const Tensor& tensor) {
  const std::string header = header_of(tensor);
  const Tensor data = tensor.data().cpu().contiguous();
  AtomicFile file(path);
  file.write(header);
  file.write(data.data_ptr(), data.nbytes());
  file.commit();
}

std::string npy_bytes(const Tensor& tensor) {
  std::string bytes = header_of(tensor);
  const Tensor data = tensor.data().cpu().contiguous();
  return bytes.append(static_cast<const char*>(data.data_ptr()), data.nbytes());
}

Tensor load_npy(const std::string& path) { return read(ByteSource(path)); }
Tensor npy_from_bytes(const void* data, size_t size, const std::string& name) {
  return read(ByteSource(data, size, name));
}

}  // namespace fulmen
