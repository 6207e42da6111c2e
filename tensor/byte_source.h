#pragma once
#include <cstdint>
#include <cstdio>
#include <string>

namespace fulmen {

/// Bytes of a file or of memory, read at any position. The name stands in every message.
class ByteSource {
 public:
  /// Throws if the file cannot be opened or is a directory.
  explicit ByteSource(const std::string& path);
  /// Borrows memory.
  ByteSource(const void* data, uint64_t size, std::string name);
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  uint64_t size() const { return size_; }
  const std::string& name() const { return name_; }
  /// Throws if the bytes at `position` are not all there.
  void read(uint64_t position, void* to, uint64_t bytes) const;
  /// Throws an Error: "<name>: <what>".
  [[noreturn]] void refuse(const std::string& what) const;

 private:
  std::string name_;
  std::FILE* file_ = nullptr;
  const char* data_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace fulmen
