#include <fulmen/kernels/view.h>
#include <fulmen/tensor/safetensors_header.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>

namespace fulmen {

namespace {

using json = nlohmann::json;

constexpr uint64_t max_header = 100'000'000;  // as in the reference implementation
// In the order of ScalarType.
constexpr std::string_view names[] = {"U8", "I8", "I16", "I32", "I64", "F16", "F32", "F64", "BOOL", "BF16"};

ScalarType dtype_of(std::string_view name) {
  for (size_t i = 0; i < std::size(names); ++i) {
    if (names[i] == name) return static_cast<ScalarType>(i);
  }
  return ScalarType::Undefined;
}

// Takes the header's events: no tree is built, so neither depth nor size of hostile JSON costs more than its text.
class HeaderReader final : public nlohmann::json_sax<json> {
 public:
  HeaderReader(const ByteSource& source, SafetensorsHeader& header) : source_(source), header_(header) {}

  bool start_object(size_t) override {
    if (depth_ == 1 && key_ == metadata_key) {
      in_metadata_ = true;
    } else if (depth_ == 1) {
      header_.entries.emplace_back();
      entry().name = key_;
      fields_seen_ = 0;
    } else if (depth_ != 0) {
      wrong("an object where none belongs");
    }
    ++depth_;
    return true;
  }
  bool end_object() override {
    --depth_;
    if (depth_ == 1) {
      if (!in_metadata_ && fields_seen_ != all_fields) {
        refuse("has no dtype, shape or data_offsets");
      }
      in_metadata_ = false;
    }
    return true;
  }
  bool key(std::string& text) override {
    if (depth_ == 1 && !seen_names_.insert(text).second) wrong("the name \"" + text + "\" comes twice");
    if (depth_ == 2 && in_metadata_ && !seen_metadata_.insert(text).second) {
      wrong("the metadata key \"" + text + "\" comes twice");
    }
    key_ = text;
    if (depth_ == 2 && !in_metadata_) begin_field();
    return true;
  }
  bool string(std::string& text) override {
    if (depth_ == 2 && in_metadata_) {
      header_.metadata.emplace_back(key_, text);
      return true;
    }
    if (depth_ != 2 || key_ != "dtype") wrong("a text where none belongs");
    entry().dtype = dtype_of(text);
    if (entry().dtype == ScalarType::Undefined) refuse("has dtype " + text + ", which is not supported");
    return true;
  }
  bool start_array(size_t) override {
    if (depth_ != 2 || in_metadata_ || key_ == "dtype") wrong("a list where none belongs");
    ++depth_;
    numbers_.clear();
    return true;
  }
  bool end_array() override {
    --depth_;
    if (key_ == "shape") {
      entry().shape.assign(numbers_.begin(), numbers_.end());
    } else {
      if (numbers_.size() != 2) refuse("has data_offsets that are not two numbers");
      entry().begin = numbers_[0];
      entry().end = numbers_[1];
    }
    return true;
  }
  bool number_unsigned(uint64_t value) override {
    if (depth_ != 3) wrong("a number where none belongs");
    if (value > INT64_MAX) refuse("has a size or offset that is too large");
    if (numbers_.size() > static_cast<size_t>(max_dims)) refuse("has too many dimensions or offsets");
    numbers_.push_back(value);
    return true;
  }
  bool number_integer(int64_t) override {
    wrong("a negative number");
    return false;
  }
  bool number_float(double, const std::string&) override {
    wrong("a number that is not an integer");
    return false;
  }
  bool null() override {
    wrong("null");
    return false;
  }
  bool boolean(bool) override {
    wrong("a truth value");
    return false;
  }
  bool binary(json::binary_t&) override { return false; }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    source_.refuse("header is not valid JSON at byte " + std::to_string(8 + position));
  }

 private:
  static constexpr const char* metadata_key = "__metadata__";
  static constexpr int all_fields = 7;
  SafetensorsEntry& entry() { return header_.entries.back(); }
  void begin_field() {
    const int field = key_ == "dtype" ? 1 : key_ == "shape" ? 2 : key_ == "data_offsets" ? 4 : 0;
    if (field == 0) refuse("has the unknown field \"" + key_ + "\"");
    if (fields_seen_ & field) refuse("has the field \"" + key_ + "\" twice");
    fields_seen_ |= field;
  }
  [[noreturn]] void wrong(const std::string& what) { source_.refuse("wrong header: " + what + " at \"" + key_ + "\""); }
  [[noreturn]] void refuse(const std::string& what) {
    source_.refuse("wrong header: tensor \"" + entry().name + "\" " + what);
  }
  const ByteSource& source_;
  SafetensorsHeader& header_;
  int depth_ = 0, fields_seen_ = 0;
  bool in_metadata_ = false;
  std::string key_;
  std::vector<uint64_t> numbers_;
  std::unordered_set<std::string> seen_names_, seen_metadata_;
};

// Each entry within the data and as long as its shape says; all of them together without overlap or gap.
void check_offsets(const ByteSource& source, const SafetensorsHeader& header) {
  std::vector<const SafetensorsEntry*> sorted;
  for (const SafetensorsEntry& e : header.entries) {
    const std::string who = "wrong header: tensor \"" + e.name + "\" ";
    if (e.shape.size() > static_cast<size_t>(max_dims)) source.refuse(who + "has too many dimensions");
    uint64_t bytes = static_cast<uint64_t>(element_size(e.dtype));
    for (int64_t size : e.shape) {
      if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(size), &bytes)) source.refuse(who + "is too large");
    }
    if (e.begin > e.end || e.end - e.begin != bytes) {
      source.refuse(who + str("has data_offsets [", e.begin, ", ", e.end, "] but needs ", bytes, " bytes"));
    }
    sorted.push_back(&e);
  }
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) {
    return a->begin != b->begin ? a->begin < b->begin : a->end < b->end;
  });
  uint64_t expected = 0;
  for (const SafetensorsEntry* e : sorted) {
    if (e->begin != expected) {
      source.refuse(str("wrong header: tensor \"", e->name, "\" begins at ", e->begin, " of the data; expected ",
                        expected, " (tensors must neither overlap nor leave gaps)"));
    }
    expected = e->end;
  }
  const uint64_t data = source.size() - header.data_start;
  if (expected > data)
    source.refuse(str("ends early: the tensors need ", expected, " bytes of data, there are ", data));
  if (expected < data) source.refuse(str("has ", data - expected, " bytes after the last tensor"));
}

}  // namespace

std::string_view safetensors_dtype(ScalarType t) { return names[static_cast<int>(t)]; }

SafetensorsHeader read_safetensors_header(const ByteSource& source) {
  if (source.size() < 8) source.refuse("ends early: a safetensors file has at least 8 bytes");
  unsigned char raw[8];
  source.read(0, raw, 8);
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | raw[i];
  if (length > max_header) {
    source.refuse(str("is no safetensors file: a header of ", length, " bytes; at most ", max_header, " are allowed"));
  }
  if (length > source.size() - 8) {
    source.refuse(str("ends early: the header has ", length, " bytes, ", source.size() - 8, " are there"));
  }
  std::string text(length, '\0');
  source.read(8, text.data(), length);
  if (text.empty() || text[0] != '{') source.refuse("is no safetensors file: the header does not begin with {");
  SafetensorsHeader header;
  header.data_start = 8 + length;
  HeaderReader reader(source, header);
  json::sax_parse(text, &reader);
  check_offsets(source, header);
  return header;
}

}  // namespace fulmen
