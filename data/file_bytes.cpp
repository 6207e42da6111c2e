#include <fulmen/data/file_bytes.h>
#include <fulmen/data/rows.h>

#include <cstring>

namespace fulmen::data {

Tensor bytes_tensor(std::string_view bytes) {
  Tensor tensor = empty_rows({static_cast<int64_t>(bytes.size())}, kByte);
  if (!bytes.empty()) std::memcpy(tensor.data_ptr<uint8_t>(), bytes.data(), bytes.size());
  return tensor;
}

std::string tensor_bytes(const Tensor* tensor, std::string_view what) {
  FULMEN_CHECK(tensor && tensor->defined() && tensor->scalar_type() == kByte && tensor->dim() == 1, what,
               ": the stored state lacks it, or it is not uint8[n]");
  const Tensor here = tensor->to(kCPU).contiguous();
  return std::string(reinterpret_cast<const char*>(here.data_ptr<uint8_t>()), static_cast<size_t>(here.numel()));
}

}  // namespace fulmen::data
