#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace fulmen {

/// A file that appears whole or not at all: written under a temporary name in the same directory, flushed to the disk
/// and renamed by commit(). A program killed at any moment leaves what was there before, or the new file. Every failure
/// throws an Error that names the file; without commit() the temporary file is removed.
/// commit() also removes the temporary files that killed programs have left in the directory.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void commit();

 private:
  [[noreturn]] void fail_with_errno(const char* what);
  std::string path_, temporary_;
  int file_ = -1;
};

}  // namespace fulmen
