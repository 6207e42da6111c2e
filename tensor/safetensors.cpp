#include <fcntl.h>
#include <fulmen/tensor/safetensors.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

// The format: 8 bytes (little endian) length n of the header; n bytes of JSON, {"name": {"dtype": "F32", "shape": [2,
// 3], "data_offsets": [begin, end]}, "__metadata__": {"key": "text"}}; then the data, where offsets count from its
// first byte. The tensors must tile the data without gaps.
namespace fulmen {
namespace {

using Json = nlohmann::ordered_json;
constexpr uint64_t max_header = 100'000'000;

struct TypeName {
  ScalarType type;
  const char* name;
};
constexpr TypeName type_names[] = {{kBool, "BOOL"}, {kByte, "U8"},   {kChar, "I8"},  {kShort, "I16"},
                                   {kInt, "I32"},   {kLong, "I64"},  {kHalf, "F16"}, {kBFloat16, "BF16"},
                                   {kFloat, "F32"}, {kDouble, "F64"}};

const char* name_of(ScalarType type) {
  for (const TypeName& entry : type_names) {
    if (entry.type == type) return entry.name;
  }
  fail(str("safetensors: no name for ", type));
}

struct Entry {
  std::string name;
  ScalarType type;
  std::vector<int64_t> shape;
  uint64_t begin, end;
};

[[noreturn]] void damaged(const std::string& source, uint64_t offset, const std::string& what) {
  fail(str(source, ": no whole safetensors file: at byte ", offset, ": ", what));
}

uint64_t unsigned_of(const Json& json, const std::string& source, const std::string& name, const char* what) {
  if (!json.is_number_unsigned()) damaged(source, 8, str("\"", name, "\": ", what, " is no size: ", json.dump()));
  return json.get<uint64_t>();
}

/// Checks one entry of the header against its own dtype and shape.
Entry entry_of(const std::string& name, const Json& json, const std::string& source, uint64_t data_bytes) {
  auto wrong = [&](const std::string& what) { damaged(source, 8, str("\"", name, "\": ", what)); };
  if (!json.is_object() || !json.contains("dtype") || !json.contains("shape") || !json.contains("data_offsets")) {
    wrong("it needs dtype, shape and data_offsets");
  }
  Entry entry{name, ScalarType::Undefined, {}, 0, 0};
  for (const TypeName& known : type_names) {
    if (json["dtype"] == known.name) entry.type = known.type;
  }
  if (entry.type == ScalarType::Undefined) wrong("unknown dtype " + json["dtype"].dump());
  const Json& shape = json["shape"];
  const Json& offsets = json["data_offsets"];
  if (!shape.is_array() || shape.size() > 64) wrong("the shape is no list of at most 64 sizes");
  if (!offsets.is_array() || offsets.size() != 2) wrong("data_offsets is no pair");
  uint64_t bytes = static_cast<uint64_t>(element_size(entry.type));
  bool empty = false;
  for (const Json& size : shape) {
    const uint64_t n = unsigned_of(size, source, name, "a size in shape");
    empty = empty || n == 0;
    if (n > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) wrong("a size is too large");
    if (n != 0 && __builtin_mul_overflow(bytes, n, &bytes)) wrong("the sizes are too large");
    entry.shape.push_back(static_cast<int64_t>(n));
  }
  if (empty) bytes = 0;
  entry.begin = unsigned_of(offsets[0], source, name, "data_offsets");
  entry.end = unsigned_of(offsets[1], source, name, "data_offsets");
  if (entry.begin > entry.end || entry.end > data_bytes) {
    damaged(source, entry.begin,
            str("\"", name, "\" reaches from ", entry.begin, " to ", entry.end, " of the data, which has ", data_bytes,
                " bytes"));
  }
  if (entry.end - entry.begin != bytes) {
    wrong(str("dtype and shape make ", bytes, " bytes, data_offsets ", entry.end - entry.begin));
  }
  return entry;
}

/// The header as JSON, after the checks that keep a malicious one from costing time or memory.
Json parse_header(std::string_view text, const std::string& source) {
  int64_t depth = 0, deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  if (deepest > 8) damaged(source, 8, "the header is nested too deeply");
  std::vector<std::string> keys;
  auto no_duplicates = [&](int level, Json::parse_event_t event, Json& parsed) {
    if (level == 1 && event == Json::parse_event_t::key) keys.push_back(parsed.get<std::string>());
    return true;
  };
  Json header = Json::parse(text, no_duplicates, false);
  if (!header.is_object()) damaged(source, 8, "the header is no JSON object");
  std::sort(keys.begin(), keys.end());
  const auto twice = std::adjacent_find(keys.begin(), keys.end());
  if (twice != keys.end()) damaged(source, 8, "the name \"" + *twice + "\" appears twice");
  return header;
}

Tensor new_tensor(const Entry& entry) {
  TensorImpl* impl = TensorImpl::make();
  Tensor tensor = Tensor::adopt(impl);
  impl->dtype = entry.type;
  impl->storage = Storage::allocate(entry.end - entry.begin, Device(kCPU));
  impl->sizes = Shape(entry.shape);
  int64_t stride = 1;
  std::vector<int64_t> strides(entry.shape.size());
  for (size_t d = entry.shape.size(); d-- > 0;) {
    strides[d] = stride;
    stride *= std::max<int64_t>(1, entry.shape[d]);
  }
  impl->strides = Shape(strides);
  impl->refresh();
  return tensor;
}

std::string header_of(const Safetensors& content, const std::vector<Tensor>& tensors) {
  Json header = Json::object();
  if (!content.metadata.empty()) {
    Json& metadata = header["__metadata__"] = Json::object();
    for (const auto& [key, text] : content.metadata) metadata[key] = text;
  }
  uint64_t at = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const std::string& name = content.tensors[i].first;
    FULMEN_CHECK(name != "__metadata__" && !header.contains(name), "safetensors: the name \"", name, "\" is taken");
    const uint64_t end = at + tensors[i].nbytes();
    header[name] = {{"dtype", name_of(tensors[i].scalar_type())},
                    {"shape", std::vector<int64_t>(tensors[i].sizes().begin(), tensors[i].sizes().end())},
                    {"data_offsets", {at, end}}};
    at = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data begins on a multiple of 8
  return text;
}

/// The file's parts in order: length and header, then every tensor's bytes.
template <class Write>
void write_parts(const Safetensors& content, Write&& write) {
  std::vector<Tensor> tensors;
  for (const auto& [name, tensor] : content.tensors) {
    FULMEN_CHECK(tensor.defined(), "safetensors: the tensor \"", name, "\" is undefined");
    tensors.push_back(tensor.detach().cpu().contiguous());
  }
  const std::string header = header_of(content, tensors);
  const uint64_t length = header.size();
  unsigned char prefix[8];
  for (int i = 0; i < 8; ++i) prefix[i] = static_cast<unsigned char>(length >> (8 * i));
  write(prefix, size_t{8});
  write(header.data(), header.size());
  for (const Tensor& tensor : tensors) write(tensor.const_data_ptr(), tensor.nbytes());
}

/// An open file that is closed, and deleted unless kept.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& target) : path_(target + ".tmp." + std::to_string(::getpid())) {
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (descriptor_ < 0) failed("open");
  }
  ~TemporaryFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  void write(const void* data, size_t size) {
    const char* at = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t written = ::write(descriptor_, at, std::min<size_t>(size, 1u << 30));
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) failed("write");
      at += written;
      size -= static_cast<size_t>(written);
    }
  }
  void become(const std::string& target) {
    if (::fsync(descriptor_) != 0) failed("flush");
    if (::close(std::exchange(descriptor_, -1)) != 0) failed("close");
    if (::rename(path_.c_str(), target.c_str()) != 0) failed("rename");
    path_.clear();
  }

 private:
  [[noreturn]] void failed(const char* action) const {
    const int error = errno;
    fail(str("cannot ", action, " ", path_, ": ", std::strerror(error)));
  }
  std::string path_;
  int descriptor_ = -1;
};

void flush_folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;  // a folder that cannot be read cannot be flushed either
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace

const Tensor* Safetensors::find(std::string_view name) const {
  for (const auto& [key, tensor] : tensors) {
    if (key == name) return &tensor;
  }
  return nullptr;
}

const std::string* Safetensors::text(std::string_view key) const {
  for (const auto& [name, value] : metadata) {
    if (name == key) return &value;
  }
  return nullptr;
}

std::string serialize_safetensors(const Safetensors& content) {
  std::string bytes;
  write_parts(content, [&](const void* data, size_t size) { bytes.append(static_cast<const char*>(data), size); });
  return bytes;
}

void save_safetensors(const std::string& path, const Safetensors& content) {
  TemporaryFile file(path);
  write_parts(content, [&](const void* data, size_t size) { file.write(data, size); });
  file.become(path);
  flush_folder_of(path);
}

Safetensors parse_safetensors(std::string_view bytes, const std::string& source) {
  if (bytes.size() < 8) damaged(source, bytes.size(), "the file ends within its first 8 bytes");
  uint64_t length = 0;
  for (int i = 0; i < 8; ++i) length |= uint64_t{static_cast<unsigned char>(bytes[static_cast<size_t>(i)])} << (8 * i);
  if (length > max_header) damaged(source, 0, str("a header of ", length, " bytes is too large"));
  if (length > bytes.size() - 8) {
    damaged(source, bytes.size(), str("the file ends within its header of ", length, " bytes"));
  }
  const Json header = parse_header(bytes.substr(8, length), source);
  const std::string_view data = bytes.substr(8 + length);
  Safetensors content;
  std::vector<Entry> entries;
  for (const auto& item : header.items()) {
    if (item.key() != "__metadata__") {
      entries.push_back(entry_of(item.key(), item.value(), source, data.size()));
      continue;
    }
    if (!item.value().is_object()) damaged(source, 8, "__metadata__ is no object");
    for (const auto& text : item.value().items()) {
      if (!text.value().is_string()) damaged(source, 8, "__metadata__ may hold texts only: " + text.key());
      content.metadata.emplace_back(text.key(), text.value().get<std::string>());
    }
  }
  std::vector<const Entry*> order;
  for (const Entry& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(),
            [](const Entry* a, const Entry* b) { return std::pair(a->begin, a->end) < std::pair(b->begin, b->end); });
  uint64_t at = 0;
  for (const Entry* entry : order) {
    if (entry->begin != at) damaged(source, 8 + length + at, "\"" + entry->name + "\" leaves a gap or overlaps");
    at = entry->end;
  }
  if (at != data.size()) damaged(source, 8 + length + at, "bytes that belong to no tensor");
  for (const Entry& entry : entries) {
    Tensor tensor = new_tensor(entry);
    const size_t bytes_of_tensor = entry.end - entry.begin;
    if (bytes_of_tensor > 0) std::memcpy(tensor.data_ptr(), data.data() + entry.begin, bytes_of_tensor);
    if (entry.type == kBool) {
      // A C++ bool that is neither 0 nor 1 must not come into being.
      auto* values = static_cast<unsigned char*>(tensor.data_ptr());
      for (size_t i = 0; i < bytes_of_tensor; ++i) values[i] = values[i] != 0;
    }
    content.tensors.emplace_back(entry.name, std::move(tensor));
  }
  return content;
}

Safetensors load_safetensors(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  FULMEN_CHECK(file, "cannot open ", path, ": ", std::strerror(errno));
  std::string bytes;
  struct stat info;
  const bool known = ::fstat(::fileno(file), &info) == 0 && S_ISREG(info.st_mode);
  if (known) bytes.reserve(static_cast<size_t>(info.st_size) + 1);
  char buffer[1 << 16];
  for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, file)) > 0;) bytes.append(buffer, n);
  const bool failed = std::ferror(file) != 0;
  const int error = errno;
  std::fclose(file);
  FULMEN_CHECK(!failed, "cannot read ", path, ": ", std::strerror(error));
  return parse_safetensors(bytes, path);
}

}  // namespace fulmen
