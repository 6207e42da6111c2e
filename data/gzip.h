#pragma once
#include <cstdint>
#include <string>

namespace fulmen::data {

/// True for bytes that begin as a gzip file does.
bool is_gzip(const std::string& bytes);

/// What a gzip file (RFC 1952, of one or several parts) holds. `path` names it in messages, `limit` the limit
/// `max_bytes`. Throws E017 for a damaged or truncated file, for more than max_bytes, and for what looks made to fill
/// the memory: more than 64 MiB and 200 times the size of the file. Needs a library built with FULMEN_IMAGES.
std::string gunzip(const std::string& bytes, const std::string& path, int64_t max_bytes, const char* limit);

}  // namespace fulmen::data
