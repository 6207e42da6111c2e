#include <fulmen/tensor/device.h>
#include <fulmen/tensor/error.h>

#include <iterator>
#include <ostream>

namespace fulmen {

namespace {

constexpr const char* type_names[] = {"cpu", "cuda", "mkldnn", "opengl", "opencl", "ideep", "hip"};
const char* type_name(DeviceType type) { return type_names[static_cast<int>(type)]; }

// Digits only, no sign, no leading zero, at most 127.
DeviceIndex parse_index(std::string_view digits, const std::string& text) {
  int value = 0;
  bool valid = !digits.empty() && digits.size() <= 3 && (digits.size() == 1 || digits[0] != '0');
  for (char c : digits) {
    valid = valid && c >= '0' && c <= '9';
    if (valid) value = value * 10 + (c - '0');
  }
  FULMEN_CHECK(valid && value <= 127, "Invalid device string: '", text,
               "': after the colon comes the device's number, 0 to 127, without leading zeros");
  return static_cast<DeviceIndex>(value);
}

}  // namespace

void Device::validate() const {
  FULMEN_CHECK(index_ >= -1, "Device index must be -1 or non-negative, got ", static_cast<int>(index_));
  FULMEN_CHECK(type_ != DeviceType::CPU || index_ <= 0, "CPU device index must be -1 or zero, got ",
               static_cast<int>(index_));
}

Device::Device(const std::string& text) : type_(DeviceType::CPU), index_(-1) {
  FULMEN_CHECK(!text.empty(), "Device string must not be empty; expected cpu, cpu:0, cuda or cuda:N");
  const size_t colon = text.find(':');
  const std::string_view type = std::string_view(text).substr(0, colon);
  int found = -1;
  for (int i = 0; i < static_cast<int>(std::size(type_names)); ++i) {
    if (type == type_names[i]) found = i;
  }
  FULMEN_CHECK(found >= 0, "Expected one of cpu, cuda device type at start of device string: ", text,
               " (Invalid device string: '", text, "')");
  type_ = static_cast<DeviceType>(found);
  if (colon != std::string::npos) index_ = parse_index(std::string_view(text).substr(colon + 1), text);
  validate();
}

std::string Device::str() const {
  std::string text = type_name(type_);
  if (has_index()) text += ":" + std::to_string(index_);
  return text;
}

std::ostream& operator<<(std::ostream& out, const Device& device) { return out << device.str(); }
std::ostream& operator<<(std::ostream& out, DeviceType type) { return out << type_name(type); }

}  // namespace fulmen
