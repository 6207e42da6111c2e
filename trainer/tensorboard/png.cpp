#include <fulmen/trainer/tensorboard/png.h>

#include <algorithm>
#include <string_view>

namespace fulmen::trainer::tensorboard {
namespace {

void append_big_endian(std::string& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

uint32_t crc32(std::string_view bytes) {
  uint32_t sum = ~0u;
  for (char c : bytes) {
    sum ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ (sum & 1 ? 0xEDB88320u : 0u);
  }
  return ~sum;
}

uint32_t adler32(std::string_view bytes) {
  uint32_t a = 1, b = 0;
  for (char c : bytes) {
    a = (a + static_cast<unsigned char>(c)) % 65521;
    b = (b + a) % 65521;
  }
  return b << 16 | a;
}

void append_chunk(std::string& out, std::string_view type, std::string_view data) {
  append_big_endian(out, static_cast<uint32_t>(data.size()));
  const size_t begin = out.size();
  out.append(type).append(data);
  append_big_endian(out, crc32(std::string_view(out).substr(begin)));
}

/// A zlib stream of stored blocks.
std::string stored(std::string_view bytes) {
  std::string out = "\x78\x01";
  size_t begin = 0;
  do {
    const size_t length = std::min<size_t>(bytes.size() - begin, 0xFFFF);
    out += static_cast<char>(begin + length == bytes.size());
    for (unsigned part : {static_cast<unsigned>(length), ~static_cast<unsigned>(length)}) {
      out += static_cast<char>(part);
      out += static_cast<char>(part >> 8);
    }
    out.append(bytes.substr(begin, length));
    begin += length;
  } while (begin < bytes.size());
  append_big_endian(out, adler32(bytes));
  return out;
}

}  // namespace

std::string encode_png(const std::vector<uint8_t>& pixels, int64_t width, int64_t height, int64_t channels) {
  std::string out("\x89PNG\r\n\x1a\n", 8), header, rows;
  append_big_endian(header, static_cast<uint32_t>(width));
  append_big_endian(header, static_cast<uint32_t>(height));
  const char kind = channels == 1 ? 0 : channels == 3 ? 2 : 6;
  header += std::string{8, kind, 0, 0, 0};
  append_chunk(out, "IHDR", header);
  for (int64_t y = 0; y < height; ++y) {
    rows += '\0';  // no filter
    const auto* row = reinterpret_cast<const char*>(pixels.data()) + y * width * channels;
    rows.append(row, static_cast<size_t>(width * channels));
  }
  append_chunk(out, "IDAT", stored(rows));
  append_chunk(out, "IEND", "");
  return out;
}

}  // namespace fulmen::trainer::tensorboard
