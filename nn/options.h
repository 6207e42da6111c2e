#pragma once
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

/// Declares a member of an options class: `opt.name(value)` sets it and returns the options, `opt.name()` reads it.
/// Usage: `FULMEN_ARG(int64_t, in_features);`, with an initialiser after it when there is a default:
/// `FULMEN_ARG(bool, bias) = true;`.
#define FULMEN_ARG(T, name)                                                           \
 public:                                                                              \
  auto name(const T& value)->decltype(*this) { return name##_ = value, *this; }       \
  auto name(T&& value)->decltype(*this) { return name##_ = std::move(value), *this; } \
  const T& name() const noexcept { return name##_; }                                  \
  T& name() noexcept { return name##_; }                                              \
                                                                                      \
 private:                                                                             \
  T name##_ /* NOLINT */

namespace fulmen {

/// The words that options are told apart by; each is a type of its own with one value, as in LibTorch
/// (`.reduction(kSum)`), so that an option accepts only the words that mean something to it.
namespace enumtype {
#define FULMEN_WORD(Name)                               \
  struct k##Name {                                      \
    static constexpr std::string_view text = #Name;     \
    friend bool operator==(k##Name, k##Name) = default; \
  };
// clang-format off
#define FULMEN_WORDS(X)                                                                                      \
  X(None) X(Mean) X(Sum) X(BatchMean) X(Linear) X(Conv1D) X(Conv2D) X(Conv3D) X(ConvTranspose1D)             \
  X(ConvTranspose2D) X(ConvTranspose3D) X(Sigmoid) X(Tanh) X(ReLU) X(GELU) X(SiLU) X(Mish) X(LeakyReLU)      \
  X(SELU) X(FanIn) X(FanOut) X(Constant) X(Reflect) X(Replicate) X(Circular) X(Nearest) X(NearestExact)      \
  X(Bilinear) X(Bicubic) X(Trilinear) X(Area) X(Max) X(Zeros) X(Border) X(Reflection) X(RNN_TANH)            \
  X(RNN_RELU) X(LSTM) X(GRU) X(Valid) X(Same)
// clang-format on
FULMEN_WORDS(FULMEN_WORD)
#undef FULMEN_WORD
}  // namespace enumtype

#define FULMEN_WORD(Name) inline constexpr enumtype::k##Name k##Name{};
FULMEN_WORDS(FULMEN_WORD)
#undef FULMEN_WORD
#undef FULMEN_WORDS

/// One of a few words; made from the word itself.
template <class... Words>
class OneOf {
 public:
  template <class Word>
  requires(std::is_same_v<Word, Words> || ...) constexpr OneOf(Word) : index_(index_of<Word>()) {}

  template <class Word>
  constexpr bool is() const {
    static_assert((std::is_same_v<Word, Words> || ...), "this option never holds that word");
    return index_ == index_of<Word>();
  }
  /// "Mean", "Sum", ...
  constexpr std::string_view text() const {
    constexpr std::string_view texts[] = {Words::text...};
    return texts[index_];
  }
  friend constexpr bool operator==(const OneOf&, const OneOf&) = default;

 private:
  template <class Word>
  static constexpr uint8_t index_of() {
    uint8_t index = 0;
    (void)((std::is_same_v<Word, Words> || (++index, false)) || ...);
    return index;
  }
  uint8_t index_;
};

}  // namespace fulmen
