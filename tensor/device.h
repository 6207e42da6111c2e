#pragma once
#include <cstdint>
#include <iosfwd>
#include <string>

namespace fulmen {

/// CPU and CUDA hold tensors; the others are names that LibTorch programs mention, without memory behind them.
enum class DeviceType : int8_t { CPU = 0, CUDA = 1, MKLDNN = 2, OPENGL = 3, OPENCL = 4, IDEEP = 5, HIP = 6 };
inline constexpr DeviceType kCPU = DeviceType::CPU;
inline constexpr DeviceType kCUDA = DeviceType::CUDA;
using DeviceIndex = int8_t;

/// A processor that holds memory and runs kernels: "cpu", "cuda", "cuda:1". Index -1 means the current one.
struct Device {
  using Type = DeviceType;
  Device(DeviceType type, DeviceIndex index = -1) : type_(type), index_(index) {
    if (index != -1) validate();
  }
  /// Parses "cpu", "cpu:0", "cuda", "cuda:N" and the names above; anything else is an error.
  Device(const std::string& text);
  Device(const char* text) : Device(std::string(text)) {}
  DeviceType type() const { return type_; }
  DeviceIndex index() const { return index_; }
  bool has_index() const { return index_ >= 0; }
  void set_index(DeviceIndex index) { index_ = index; }
  bool is_cpu() const { return type_ == DeviceType::CPU; }
  bool is_cuda() const { return type_ == DeviceType::CUDA; }
  std::string str() const;
  friend bool operator==(const Device&, const Device&) = default;

 private:
  void validate() const;
  DeviceType type_;
  DeviceIndex index_;
};
std::ostream& operator<<(std::ostream& out, const Device& device);
std::ostream& operator<<(std::ostream& out, DeviceType type);

namespace cuda {
/// Whether there is a CUDA device that this build can use, and how many.
bool is_available();
int device_count();
}  // namespace cuda

}  // namespace fulmen
