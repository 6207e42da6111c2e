#pragma once
#include <fulmen/tensor/tensor.h>

#include <string>
#include <utility>
#include <vector>

namespace fulmen {

/// What a safetensors file holds: tensors and texts under names, in the file's order.
struct Safetensors {
  std::vector<std::pair<std::string, Tensor>> tensors;
  std::vector<std::pair<std::string, std::string>> metadata;

  /// The tensor under a name, or null.
  const Tensor* find(std::string_view name) const;
  /// The text under a key, or null.
  const std::string* text(std::string_view key) const;
};

/// Writes a file in the safetensors format (https://github.com/huggingface/safetensors), which Python's package opens.
/// At any moment, whatever happens, either the old file or the whole new one is there: the content goes into a
/// temporary file in the same folder, is flushed to the disk, and takes the place of the old one by renaming; then the
/// folder is flushed. Tensors on other devices are copied, and strided ones made contiguous. Throws if anything fails,
/// and then leaves no temporary file behind.
void save_safetensors(const std::string& path, const Safetensors& content);

/// Reads a file of that format into new tensors on the CPU. The file is not trusted: everything about it is checked
/// before it is used, and whatever is wrong is an error with the file's name and the offset.
Safetensors load_safetensors(const std::string& path);
/// The same from memory; `source` is the name used in messages.
Safetensors parse_safetensors(std::string_view bytes, const std::string& source);
/// The content of a file as bytes: what save_safetensors writes.
std::string serialize_safetensors(const Safetensors& content);

}  // namespace fulmen
