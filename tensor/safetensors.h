#pragma once
#include <fulmen/tensor/tensor.h>

#include <string>
#include <utility>
#include <vector>

namespace fulmen {

/// Named tensors and texts, in order: what a safetensors file holds (https://huggingface.co/docs/safetensors).
struct Safetensors {
  std::vector<std::pair<std::string, Tensor>> tensors;
  std::vector<std::pair<std::string, std::string>> metadata;
  /// The tensor of this name; null if there is none.
  const Tensor* tensor(std::string_view name) const;
  /// The metadata entry of this key; null if there is none.
  const std::string* text(std::string_view key) const;
};

/// Writes a file that Python's safetensors opens. The same content gives the same bytes; the file appears whole or not
/// at all (AtomicFile). Tensors of any device and strides; throws for undefined ones and for names that come twice.
void save_safetensors(const std::string& path, const Safetensors& content);
/// The file's bytes.
std::string safetensors_bytes(const Safetensors& content);

/// Reads a file into new tensors on the CPU. The file is not trusted: whatever is wrong with it (cut short, header too
/// large or not JSON, offsets that overlap, leave gaps or point outside, sizes that do not match, unknown dtypes, names
/// that come twice) is an Error that names the file and what is wrong.
Safetensors load_safetensors(const std::string& path);
/// The same from memory; `name` stands for the file in messages.
Safetensors safetensors_from_bytes(const void* data, size_t size, const std::string& name = "safetensors");

}  // namespace fulmen
