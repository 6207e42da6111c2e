#pragma once
#include <fulmen/tensor/tensor.h>

#include <string>
#include <string_view>

namespace fulmen::data {

/// The bytes of a file or a pipe, unpacked if gzip compressed them. Throws E017 when it cannot be read or is larger
/// than `max_bytes`; `limit` is the name of that limit, for the message.
std::string read_file(const std::string& path, int64_t max_bytes = int64_t{1} << 34, const char* limit = "max_bytes");

/// Bytes as a uint8 tensor [n], for states that keep a whole file.
Tensor bytes_tensor(std::string_view bytes);
/// The way back; throws unless it is uint8 of one dimension. `what` names it in the message.
std::string tensor_bytes(const Tensor* tensor, std::string_view what);

}  // namespace fulmen::data
