#pragma once
#include <fulmen/tensor/byte_source.h>
#include <fulmen/tensor/safetensors.h>

namespace fulmen {

/// What the header says about one tensor.
struct SafetensorsEntry {
  std::string name;
  ScalarType dtype = ScalarType::Undefined;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  ///< bytes, counted from the end of the header
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;
  std::vector<std::pair<std::string, std::string>> metadata;
  uint64_t data_start = 0;  ///< offset in the file
};

/// Reads and checks everything but the tensors' own bytes.
SafetensorsHeader read_safetensors_header(const ByteSource& source);

/// "F32", "I64", "BOOL", ...
std::string_view safetensors_dtype(ScalarType t);

}  // namespace fulmen
