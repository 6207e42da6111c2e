#pragma once
#include <fulmen/tensor/device.h>
#include <fulmen/tensor/dtype.h>

#include <optional>
#include <string_view>

namespace fulmen {

/// How elements are arranged. Only Strided is implemented; Sparse exists as a name.
enum class Layout : int8_t { Strided, Sparse };
inline constexpr Layout kStrided = Layout::Strided, kSparse = Layout::Sparse;
std::ostream& operator<<(std::ostream& out, Layout layout);

enum class MemoryFormat : int8_t { Contiguous, Preserve };

/// What a factory makes: dtype, device, layout, requires_grad, pinned memory; what is not set takes the default.
class TensorOptions {
 public:
  TensorOptions() = default;
  TensorOptions(ScalarType t) : dtype_(t) {}
  /// A template, so that TensorOptions({kCUDA, 1}) has one reading.
  template <class D>
  requires std::is_same_v<D, Device> TensorOptions(D d) : device_(d) {}
  TensorOptions(DeviceType d) : device_(Device(d)) {}
  /// A device's text. A template, so that the literal 0 is not taken for a text.
  template <class Text>
  requires std::is_convertible_v<const Text&, std::string_view> TensorOptions(const Text& d)
      : device_(Device(std::string(std::string_view(d)))) {}
  TensorOptions(Layout l) : layout_(l) {}
  TensorOptions(DeviceType d, int64_t index) : device_(Device(d, static_cast<DeviceIndex>(index))) {}

  [[nodiscard]] TensorOptions dtype(std::optional<ScalarType> t) const { return with(&TensorOptions::dtype_, t); }
  [[nodiscard]] TensorOptions device(std::optional<Device> d) const { return with(&TensorOptions::device_, d); }
  [[nodiscard]] TensorOptions device(DeviceType d, DeviceIndex index = -1) const { return device(Device(d, index)); }
  [[nodiscard]] TensorOptions layout(std::optional<Layout> l) const { return with(&TensorOptions::layout_, l); }
  [[nodiscard]] TensorOptions requires_grad(std::optional<bool> on) const {
    return with(&TensorOptions::requires_grad_, on);
  }
  [[nodiscard]] TensorOptions pinned_memory(std::optional<bool> on) const { return with(&TensorOptions::pinned_, on); }

  ScalarType dtype() const { return dtype_ ? *dtype_ : get_default_dtype(); }
  Device device() const { return device_ ? *device_ : Device(DeviceType::CPU); }
  DeviceIndex device_index() const { return device().index(); }
  Layout layout() const { return layout_.value_or(Layout::Strided); }
  bool requires_grad() const { return requires_grad_.value_or(false); }
  bool pinned_memory() const { return pinned_.value_or(false); }
  bool has_dtype() const { return dtype_.has_value(); }
  bool has_device() const { return device_.has_value(); }
  bool has_layout() const { return layout_.has_value(); }
  bool has_requires_grad() const { return requires_grad_.has_value(); }
  std::optional<ScalarType> dtype_opt() const { return dtype_; }
  std::optional<Device> device_opt() const { return device_; }
  std::optional<Layout> layout_opt() const { return layout_; }
  /// `this`, with what `other` sets taking precedence.
  [[nodiscard]] TensorOptions merge_in(const TensorOptions& other) const;

 private:
  template <class T>
  TensorOptions with(std::optional<T> TensorOptions::*member, std::optional<T> value) const {
    TensorOptions copy = *this;
    if (value) copy.*member = value;
    return copy;
  }
  std::optional<ScalarType> dtype_;
  std::optional<Device> device_;
  std::optional<Layout> layout_;
  std::optional<bool> requires_grad_, pinned_;
};
std::ostream& operator<<(std::ostream& out, const TensorOptions& options);

inline TensorOptions dtype(ScalarType t) { return TensorOptions(t); }
inline TensorOptions layout(Layout l) { return TensorOptions(l); }
inline TensorOptions device(Device d) { return TensorOptions(d); }
inline TensorOptions device_index(int16_t index) { return TensorOptions(kCUDA, index); }
inline TensorOptions requires_grad(bool on = true) { return TensorOptions().requires_grad(on); }

}  // namespace fulmen
