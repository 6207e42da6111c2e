#include <fulmen/tensor/byte_source.h>
#include <fulmen/tensor/error.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace fulmen {

ByteSource::ByteSource(const std::string& path) : name_(path), file_(std::fopen(path.c_str(), "rb")) {
  if (!file_) refuse(str("cannot be opened: ", std::strerror(errno)));
  struct stat about;
  if (::fstat(::fileno(file_), &about) != 0 || !S_ISREG(about.st_mode)) {
    std::fclose(file_);
    file_ = nullptr;
    refuse("is not a file");
  }
  size_ = static_cast<uint64_t>(about.st_size);
}

ByteSource::ByteSource(const void* data, uint64_t size, std::string name)
    : name_(std::move(name)), data_(static_cast<const char*>(data)), size_(size) {}

ByteSource::~ByteSource() {
  if (file_) std::fclose(file_);
}

void ByteSource::read(uint64_t position, void* to, uint64_t bytes) const {
  if (position > size_ || bytes > size_ - position) {
    refuse(str("ends early: ", bytes, " bytes wanted at offset ", position, ", but the file has ", size_));
  }
  if (bytes == 0) return;
  if (data_) {
    std::memcpy(to, data_ + position, bytes);
    return;
  }
  if (::fseeko(file_, static_cast<off_t>(position), SEEK_SET) != 0 || std::fread(to, 1, bytes, file_) != bytes) {
    refuse(str("cannot be read at offset ", position));
  }
}

void ByteSource::refuse(const std::string& what) const { fail(str(name_, ": ", what)); }

}  // namespace fulmen
