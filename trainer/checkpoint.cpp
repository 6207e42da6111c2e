#include <fulmen/tensor/safetensors.h>
#include <fulmen/trainer/checkpoint.h>

#include <cstdio>
#include <cstring>
#include <filesystem>

namespace fulmen::trainer {
namespace {

constexpr const char* prefix = "fulmen.";
constexpr const char* version = "0.1.0";

/// A 64-bit checksum of texts and tensors: finds damage, not malice.
class Checksum {
 public:
  void add(const void* data, size_t size) {
    const char* at = static_cast<const char*>(data);
    mix(size);
    for (; size >= 8; at += 8, size -= 8) {
      uint64_t word;
      std::memcpy(&word, at, 8);
      mix(word);
    }
    uint64_t rest = 0;
    std::memcpy(&rest, at, size);
    mix(rest);
  }
  void add(std::string_view text) { add(text.data(), text.size()); }
  std::string text() const {
    char digits[24];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(state_));
    return digits;
  }

 private:
  void mix(uint64_t word) {
    state_ = (state_ ^ word) * 0x9e3779b97f4a7c15ull;
    state_ ^= state_ >> 29;
  }
  uint64_t state_ = 0x66756c6d656eull;
};

std::string checksum_of(const Safetensors& content) {
  Checksum sum;
  for (const auto& [key, text] : content.metadata) {
    if (key == std::string(prefix) + "checksum") continue;
    sum.add(key);
    sum.add(text);
  }
  for (const auto& [name, tensor] : content.tensors) {
    sum.add(name);
    sum.add(dtype_name(tensor.scalar_type()));
    for (int64_t size : tensor.sizes()) sum.add(&size, sizeof size);
    const Tensor bytes = tensor.cpu().contiguous();
    sum.add(bytes.const_data_ptr(), bytes.nbytes());
  }
  return sum.text();
}

}  // namespace

const std::string& Checkpoint::text(const std::string& key) const {
  static const std::string none;
  const auto found = metadata.find(key);
  return found == metadata.end() ? none : found->second;
}

void write_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  Safetensors content;
  for (const auto& item : checkpoint.weights) content.tensors.emplace_back(item.key(), item.value());
  for (const auto& item : checkpoint.others) content.tensors.emplace_back("__" + item.key(), item.value());
  content.metadata.emplace_back(std::string(prefix) + "format", std::to_string(Checkpoint::format));
  content.metadata.emplace_back(std::string(prefix) + "version", version);
  for (const auto& [key, text] : checkpoint.metadata) {
    if (key != "format" && key != "version" && key != "checksum") content.metadata.emplace_back(prefix + key, text);
  }
  content.metadata.emplace_back(std::string(prefix) + "checksum", checksum_of(content));
  try {
    save_safetensors(path, content);
  } catch (const Error& problem) {
    throw Error("E015", std::string("the checkpoint was not saved: ") + problem.msg(),
                "make room there, or save elsewhere; a file of this name from before is still whole");
  }
}

Checkpoint read_checkpoint(const std::string& path, bool weights_only) {
  if (std::error_code error; !std::filesystem::exists(path, error)) {
    throw Error("E015", "there is no checkpoint " + path, "check the path");
  }
  Safetensors content;
  try {
    content = load_safetensors(path);
  } catch (const Error& problem) {
    throw Error("E015", std::string("not a whole checkpoint: ") + problem.msg(),
                "the file was cut short or is no checkpoint; use another one");
  }
  const std::string* format = content.text(std::string(prefix) + "format");
  if (!format && !weights_only) {
    throw Error("E015", path + " holds weights, but was not saved by this trainer",
                "load it with load_from_checkpoint, or start a new fit");
  }
  if (format && *format != std::to_string(Checkpoint::format)) {
    throw Error("E015",
                path + " has checkpoint format " + *format + "; this version reads format " +
                    std::to_string(Checkpoint::format),
                "use a newer version of the library");
  }
  if (format) {
    const std::string* sum = content.text(std::string(prefix) + "checksum");
    if (!sum || *sum != checksum_of(content)) {
      throw Error("E015", path + ": the checksum is wrong", "the file is damaged; use another one");
    }
  }
  Checkpoint checkpoint;
  for (auto& [name, tensor] : content.tensors) {
    if (name.rfind("__", 0) == 0) {
      checkpoint.others.insert(name.substr(2), tensor);
    } else {
      checkpoint.weights.insert(name, tensor);
    }
  }
  const size_t length = std::strlen(prefix);
  for (auto& [key, text] : content.metadata) {
    if (key.rfind(prefix, 0) == 0) checkpoint.metadata[key.substr(length)] = text;
  }
  return checkpoint;
}

}  // namespace fulmen::trainer
