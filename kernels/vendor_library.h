#pragma once
#include <initializer_list>
#include <string>

// NVIDIA's optional libraries (cuBLASLt, cuDNN, ...). No program links them: a file is opened when its first function
// is wanted, so that programs start at once, and run where it is missing. Tables of function pointers are filled by
// find(). tensor/cuda implements this.
namespace fulmen::cuda {

/// One such library. Opening it once is enough, so make it a static variable; it is never closed.
class VendorLibrary {
 public:
  /// `name` as in lib<name>.so.<version>; `versions`: those whose functions the caller knows, the best one first.
  /// The files are looked for in the directories of FULMEN_CUDA_LIBRARIES (separated by colons), where the system's
  /// loader looks, in the toolkits that CUDA_HOME and CUDA_PATH name, and in /usr/local/cuda.
  VendorLibrary(const char* name, std::initializer_list<int> versions);
  VendorLibrary(const VendorLibrary&) = delete;

  bool available() const { return handle_ != nullptr; }
  /// Empty if it is available, else which files were tried and what the loader said.
  const std::string& why_not_available() const { return why_not_; }
  /// The file that was opened, as it was asked for.
  const std::string& file() const { return file_; }
  /// A function of the library; null if it has none of this name, and if the library is not available.
  void* find(const char* function) const;
  /// Fills a table of pointers to the functions of these names. Returns the first name that the library lacks; null if
  /// it has them all.
  const char* fill(void** table, std::initializer_list<const char*> functions) const;
  /// Throws Error E018 if it is not available: what asked for it, what was tried, how to fix it.
  void require(const char* wanted_by, const char* remedy) const;

 private:
  const char* name_;
  void* handle_ = nullptr;
  std::string file_, why_not_;
};

}  // namespace fulmen::cuda
