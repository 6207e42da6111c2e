#include <fulmen/tensor/atomic_file.h>
#include <fulmen/tensor/safetensors.h>
#include <fulmen/tensor/safetensors_header.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>

namespace fulmen {

namespace {

/// Tensors as they will lie in the file: on the CPU, row-major, those with wider elements first, so that each is
/// aligned to its element size.
struct FileOrder {
  explicit FileOrder(const Safetensors& content) {
    std::unordered_set<std::string> seen;
    for (const auto& [name, tensor] : content.tensors) {
      FULMEN_CHECK(tensor.defined(), "save_safetensors: tensor \"", name, "\" is undefined");
      FULMEN_CHECK(name != "__metadata__" && seen.insert(name).second, "save_safetensors: the name \"", name,
                   "\" comes twice or is reserved");
      data.push_back(tensor.data().cpu().contiguous());
      order.push_back(order.size());
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return data[a].element_size() > data[b].element_size(); });
    begin.resize(data.size());
    uint64_t position = 0;
    for (size_t i : order) {
      begin[i] = position;
      position += data[i].nbytes();
    }
  }
  std::vector<Tensor> data;
  std::vector<size_t> order;
  std::vector<uint64_t> begin;
};

/// Eight bytes of length, then JSON, padded with spaces to a multiple of eight.
std::string header_of(const Safetensors& content, const FileOrder& files) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!content.metadata.empty()) {
    auto& texts = header["__metadata__"] = nlohmann::ordered_json::object();
    for (const auto& [key, text] : content.metadata) {
      FULMEN_CHECK(!texts.contains(key), "save_safetensors: the metadata key \"", key, "\" comes twice");
      texts[key] = text;
    }
  }
  for (size_t i = 0; i < content.tensors.size(); ++i) {
    const Tensor& tensor = files.data[i];
    auto& entry = header[content.tensors[i].first];
    entry["dtype"] = std::string(safetensors_dtype(tensor.scalar_type()));
    entry["shape"] = tensor.sizes().vec();
    entry["data_offsets"] = {files.begin[i], files.begin[i] + tensor.nbytes()};
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception&) {
    fail("save_safetensors: a name or a metadata text is not valid UTF-8");
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string length(8, '\0');
  for (size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(text.size() >> (8 * i) & 0xff);
  return length + text;
}

template <class Write>
void write_all(const Safetensors& content, const Write& write) {
  const FileOrder files(content);
  const std::string header = header_of(content, files);
  write(header.data(), header.size());
  for (size_t i : files.order) write(static_cast<const char*>(files.data[i].data_ptr()), files.data[i].nbytes());
}

Safetensors read_all(const ByteSource& source) {
  SafetensorsHeader header = read_safetensors_header(source);
  Safetensors content;
  content.metadata = std::move(header.metadata);
  for (SafetensorsEntry& entry : header.entries) {
    Tensor tensor = Tensor::adopt(TensorImpl::allocate(entry.shape, entry.dtype, Device(kCPU)));
    source.read(header.data_start + entry.begin, tensor.data_ptr(), entry.end - entry.begin);
    if (entry.dtype == kBool) {
      const auto* bytes = static_cast<const unsigned char*>(tensor.data_ptr());
      for (size_t i = 0; i < tensor.nbytes(); ++i) {
        if (bytes[i] > 1) source.refuse("tensor \"" + entry.name + "\" is bool but has values other than 0 and 1");
      }
    }
    content.tensors.emplace_back(std::move(entry.name), std::move(tensor));
  }
  return content;
}

template <class List>
auto* find(const List& list, std::string_view name) {
  for (const auto& entry : list) {
    if (entry.first == name) return &entry.second;
  }
  return static_cast<decltype(&list.front().second)>(nullptr);
}

}  // namespace

const Tensor* Safetensors::tensor(std::string_view name) const { return find(tensors, name); }
const std::string* Safetensors::text(std::string_view key) const { return find(metadata, key); }

void save_safetensors(const std::string& path, const Safetensors& content) {
  AtomicFile file(path);
  write_all(content, [&](const char* data, size_t size) { file.write(data, size); });
  file.commit();
}

std::string safetensors_bytes(const Safetensors& content) {
  std::string bytes;
  write_all(content, [&](const char* data, size_t size) { bytes.append(data, size); });
  return bytes;
}

Safetensors load_safetensors(const std::string& path) { return read_all(ByteSource(path)); }

Safetensors safetensors_from_bytes(const void* data, size_t size, const std::string& name) {
  return read_all(ByteSource(data, size, name));
}

}  // namespace fulmen
