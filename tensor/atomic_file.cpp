#include <dirent.h>
#include <fcntl.h>
#include <fulmen/tensor/atomic_file.h>
#include <fulmen/tensor/error.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace fulmen {

namespace {
std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

constexpr std::string_view temporary_mark = ".tmp.";

bool is_temporary(std::string_view name) {
  const size_t mark = name.rfind(temporary_mark);
  return mark != std::string_view::npos && mark + temporary_mark.size() < name.size() &&
         name.find_first_not_of("0123456789", mark + temporary_mark.size()) == std::string_view::npos;
}

/// Removes what killed programs left in a directory. A file that is being written is locked by its writer.
void remove_abandoned(const std::string& directory) {
  DIR* const entries = ::opendir(directory.c_str());
  if (!entries) return;
  while (const dirent* entry = ::readdir(entries)) {
    if (!is_temporary(entry->d_name)) continue;
    const int file = ::openat(::dirfd(entries), entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0) continue;
    if (::flock(file, LOCK_EX | LOCK_NB) == 0) ::unlinkat(::dirfd(entries), entry->d_name, 0);
    ::close(file);
  }
  ::closedir(entries);
}

}  // namespace

AtomicFile::AtomicFile(std::string path)
    : path_(std::move(path)), temporary_(path_ + std::string(temporary_mark) + std::to_string(::getpid())) {
  // Again if somebody took the file for an abandoned one before it was locked.
  for (struct stat found = {}; file_ < 0 || found.st_nlink == 0;) {
    if (file_ >= 0) ::close(file_);
    file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file_ < 0) fail_with_errno("cannot be created");
    if (::flock(file_, LOCK_EX | LOCK_NB) != 0 || ::fstat(file_, &found) != 0) break;  // a file system without locks
  }
}

AtomicFile::~AtomicFile() {
  if (file_ < 0) return;
  ::close(file_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::fail_with_errno(const char* what) { fail(str(path_, ": ", what, ": ", std::strerror(errno))); }

void AtomicFile::write(const void* data, size_t bytes) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(file_, at, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail_with_errno("cannot be written");
    at += written;
    bytes -= static_cast<size_t>(written);
  }
}

void AtomicFile::commit() {
  if (::fsync(file_) != 0) fail_with_errno("cannot be written to the disk");
  const int file = file_;
  file_ = -1;
  if (::close(file) != 0 || std::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary_.c_str());
    errno = error;
    fail_with_errno("cannot be put in place");
  }
  // The new name itself is on the disk only when the directory is. Some file systems cannot do this; nothing is lost
  // then.
  const std::string folder = directory_of(path_);
  const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    ::fsync(directory);
    ::close(directory);
  }
  static thread_local std::string tidied;
  if (tidied != folder) remove_abandoned(tidied = folder);
}

}  // namespace fulmen
