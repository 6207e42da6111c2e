#include <fulmen/trainer/tensorboard/record.h>

#include <array>
#include <cstring>

namespace fulmen::trainer::tensorboard {
namespace {

constexpr std::array<uint32_t, 256> table = [] {
  std::array<uint32_t, 256> entries{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0x82F63B78u : 0u);
    entries[i] = value;
  }
  return entries;
}();

template <class T>
void append_raw(std::string& out, T value) {
  char copy[sizeof value];
  std::memcpy(copy, &value, sizeof value);
  out.append(copy, sizeof value);
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t sum = ~0u;
  for (char c : bytes) sum = sum >> 8 ^ table[(sum ^ static_cast<unsigned char>(c)) & 0xFF];
  return ~sum;
}

uint32_t masked_crc32c(std::string_view bytes) {
  const uint32_t sum = crc32c(bytes);
  return (sum >> 15 | sum << 17) + 0xA282EAD8u;
}

void append_record(std::string& out, std::string_view bytes) {
  const uint64_t length = bytes.size();
  char head[sizeof length];
  std::memcpy(head, &length, sizeof length);
  out.append(head, sizeof head);
  append_raw(out, masked_crc32c({head, sizeof head}));
  out.append(bytes);
  append_raw(out, masked_crc32c(bytes));
}

}  // namespace fulmen::trainer::tensorboard
