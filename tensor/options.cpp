#include <fulmen/tensor/options.h>

#include <ostream>

namespace fulmen {

TensorOptions TensorOptions::merge_in(const TensorOptions& other) const {
  TensorOptions merged = *this;
  if (other.dtype_) merged.dtype_ = other.dtype_;
  if (other.device_) merged.device_ = other.device_;
  if (other.layout_) merged.layout_ = other.layout_;
  if (other.requires_grad_) merged.requires_grad_ = other.requires_grad_;
  if (other.pinned_) merged.pinned_ = other.pinned_;
  return merged;
}

std::ostream& operator<<(std::ostream& out, Layout layout) {
  return out << (layout == Layout::Strided ? "Strided" : "Sparse");
}

namespace {
// What LibTorch prints: the C++ type behind a dtype.
std::string_view cpp_name(ScalarType t) {
  constexpr std::string_view names[] = {"unsigned char", "signed char",   "short int", "int",
                                        "long int",      "c10::Half",     "float",     "double",
                                        "bool",          "c10::BFloat16", "undefined"};
  return names[static_cast<int>(t)];
}
const char* mark_default(bool given) { return given ? "" : " (default)"; }
const char* truth(bool value) { return value ? "true" : "false"; }
}  // namespace

std::ostream& operator<<(std::ostream& out, const TensorOptions& o) {
  return out << "TensorOptions(dtype=" << cpp_name(o.dtype()) << mark_default(o.has_dtype())
             << ", device=" << o.device() << mark_default(o.has_device()) << ", layout=" << o.layout()
             << mark_default(o.has_layout()) << ", requires_grad=" << truth(o.requires_grad())
             << mark_default(o.has_requires_grad()) << ", pinned_memory=" << truth(o.pinned_memory()) << " (default)"
             << ", memory_format=(nullopt))";
}

}  // namespace fulmen
