#include <fulmen/data/csv.h>
#include <fulmen/data/file_bytes.h>
#include <fulmen/data/gzip.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace fulmen::data {

std::string read_file(const std::string& path, int64_t max_bytes, const char* limit) {
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Closer> file(std::fopen(path.c_str(), "rb"));
  if (!file) fail_data(path, str("cannot open the file: ", std::strerror(errno)), "check the path and its permissions");
  std::string text;
  // The size is a hint only: a pipe has none.
  if (std::fseek(file.get(), 0, SEEK_END) == 0) {
    if (long size = std::ftell(file.get()); size > 0 && size <= max_bytes) text.reserve(static_cast<size_t>(size) + 1);
    std::rewind(file.get());
  }
  constexpr size_t block = size_t{1} << 20;
  while (true) {
    const size_t before = text.size();
    text.resize(before + block);
    const size_t got = std::fread(text.data() + before, 1, block, file.get());
    text.resize(before + got);
    if (static_cast<int64_t>(text.size()) > max_bytes) {
      fail_data(path, str("the file has more than ", max_bytes, " bytes"), str("raise ", limit));
    }
    if (got < block) break;
  }
  if (std::ferror(file.get())) {
    fail_data(path, str("cannot read the file: ", std::strerror(errno)), "check that it is a file and not a directory");
  }
  return is_gzip(text) ? gunzip(text, path, max_bytes, limit) : text;
}

}  // namespace fulmen::data
