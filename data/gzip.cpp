#include <fulmen/data/csv.h>
#include <fulmen/data/gzip.h>

#ifdef FULMEN_IMAGES
#include <zlib.h>
#endif

#include <algorithm>
#include <stdexcept>

namespace fulmen::data {

bool is_gzip(const std::string& bytes) { return bytes.size() >= 2 && bytes[0] == '\x1f' && bytes[1] == '\x8b'; }

#ifdef FULMEN_IMAGES
namespace {

/// zlib's state, ended whatever happens.
struct Inflater {
  Inflater() { FULMEN_CHECK(inflateInit2(&stream, 16 + MAX_WBITS) == Z_OK, "gunzip: zlib has no memory"); }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  z_stream stream{};
};

std::string inflated(const std::string& bytes, const std::string& path, int64_t max_bytes, const char* limit) {
  constexpr size_t block = size_t{1} << 20;
  const size_t plausible = std::max(size_t{64} << 20, 200 * bytes.size());
  Inflater inflater;
  z_stream& z = inflater.stream;
  std::string out;
  size_t at = 0, filled = 0;  // bytes read and written
  while (at < bytes.size()) {
    if (out.size() == filled) out.resize(filled + block);
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data() + at));
    z.avail_in = static_cast<uInt>(std::min(bytes.size() - at, block));
    z.next_out = reinterpret_cast<Bytef*>(out.data() + filled);
    z.avail_out = static_cast<uInt>(std::min(out.size() - filled, block));
    const uInt in = z.avail_in, room = z.avail_out;
    const int status = inflate(&z, Z_NO_FLUSH);
    at += in - z.avail_in;
    filled += room - z.avail_out;
    if (static_cast<int64_t>(filled) > max_bytes) {
      fail_data(path, str("the gzip file holds more than ", max_bytes, " bytes"), str("raise ", limit));
    }
    if (filled > plausible) {
      fail_data(path, "the gzip file holds more than 200 times its own size",
                "unpack it with gunzip if it is to be so");
    }
    if (status == Z_STREAM_END) {
      if (bytes.find_first_not_of('\0', at) == bytes.npos) {  // zeros may fill up the last block of a tape
        out.resize(filled);
        return out;
      }
      inflateReset(&z);  // another part follows
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      fail_data(path, str("byte ", at, ": the gzip file is damaged (", z.msg ? z.msg : "unknown", ")"),
                "fetch it again");
    }
  }
  fail_data(path, "the gzip file ends early", "fetch it again");
}

}  // namespace

std::string gunzip(const std::string& bytes, const std::string& path, int64_t max_bytes, const char* limit) {
  try {
    return inflated(bytes, path, max_bytes, limit);
  } catch (const std::bad_alloc&) {
    fail_data(path, "what the gzip file holds does not fit into memory", "use a smaller file");
  } catch (const std::length_error&) {
    fail_data(path, "what the gzip file holds does not fit into memory", "use a smaller file");
  }
}
#else
std::string gunzip(const std::string&, const std::string& path, int64_t, const char*) {
  fail_data(path, "this is a gzip file, and Fulmen was built without zlib",
            "unpack it with gunzip, or build Fulmen with FULMEN_IMAGES=ON");
}
#endif

}  // namespace fulmen::data
