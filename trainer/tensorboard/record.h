#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace fulmen::trainer::tensorboard {

/// The CRC-32C (Castagnoli) checksum of these bytes.
uint32_t crc32c(std::string_view bytes);
/// The checksum as record files hold it: rotated and shifted, so that a checksum of data with checksums in it is sound.
uint32_t masked_crc32c(std::string_view bytes);
/// Appends a record: length, its checksum, the bytes, theirs.
void append_record(std::string& out, std::string_view bytes);

}  // namespace fulmen::trainer::tensorboard
