#pragma once
#include <fulmen/data/preprocessor.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fulmen::data {

/// Turns text into numbers of tokens, 0..size() - 1, and back. It is fitted once, and a model needs it again for every
/// text: registered with register_transform() it lies in the model's checkpoint. Copies share what was learnt.
class Tokenizer : public Preprocessor {
 public:
  virtual std::vector<int64_t> encode(std::string_view text) const = 0;
  /// Throws for a number that is no token's.
  virtual std::string decode(std::span<const int64_t> ids) const = 0;
  /// How many tokens there are; 0 before it is fitted.
  virtual int64_t size() const = 0;
  /// The token after which there is no more text, if there is one.
  virtual std::optional<int64_t> end_token() const { return std::nullopt; }
  bool fitted() const override { return size() > 0; }

  std::string decode(const std::vector<int64_t>& ids) const { return decode(std::span<const int64_t>(ids)); }
  /// encode() as a tensor int64[n].
  Tensor encode_tensor(std::string_view text) const;

 protected:
  /// Throws unless 0 <= id < size().
  void check_id(int64_t id) const;
};

/// One token per byte. Every text, valid UTF-8 or not, comes back as it was.
class Bytes final : public Tokenizer {
 public:
  std::string kind() const override { return "bytes"; }
  std::vector<int64_t> encode(std::string_view text) const override;
  std::string decode(std::span<const int64_t> ids) const override;
  using Tokenizer::decode;
  int64_t size() const override { return 256; }
  PreprocessorState state() const override { return {}; }
  void load_state(const PreprocessorState&) override {}
};

/// One token per character of a text, numbered in Unicode's order.
class Characters final : public Tokenizer {
 public:
  /// Of no text: load_state() gives the characters.
  Characters();
  /// The different characters of `text`. With `unknown`, characters that it lacks become the last token, which decodes
  /// as U+FFFD; without, encode() throws E017 and names them. Throws E017 for text that is empty or not UTF-8.
  explicit Characters(std::string_view text, bool unknown = false);
  std::string kind() const override { return "characters"; }
  std::vector<int64_t> encode(std::string_view text) const override;
  std::string decode(std::span<const int64_t> ids) const override;
  using Tokenizer::decode;
  int64_t size() const override;
  PreprocessorState state() const override;
  void load_state(const PreprocessorState& state) override;

 private:
  struct Learnt;
  std::shared_ptr<Learnt> learnt_;
};

/// A tokenizer whose kind is chosen at run time: `AnyTokenizer tokenizer{Characters(text)}`. An empty one becomes what
/// a stored state describes.
class AnyTokenizer final : public Tokenizer {
 public:
  AnyTokenizer();
  template <std::derived_from<Tokenizer> T>
  requires(!std::same_as<T, AnyTokenizer>) explicit AnyTokenizer(T tokenizer) : AnyTokenizer() {
    *chosen_ = std::make_shared<T>(std::move(tokenizer));
  }
  std::string kind() const override { return "tokenizer"; }
  std::vector<int64_t> encode(std::string_view text) const override { return get().encode(text); }
  std::string decode(std::span<const int64_t> ids) const override { return get().decode(ids); }
  using Tokenizer::decode;
  int64_t size() const override { return *chosen_ ? get().size() : 0; }
  std::optional<int64_t> end_token() const override { return get().end_token(); }
  PreprocessorState state() const override;
  void load_state(const PreprocessorState& state) override;
  /// The chosen one; throws if there is none yet.
  const Tokenizer& get() const;

 private:
  std::shared_ptr<std::shared_ptr<Tokenizer>> chosen_;
};

/// Text that comes token by token, for a terminal: what add() and finish() give, joined, is decode() of all ids, and no
/// part ends inside a character.
class TextStream {
 public:
  /// The tokenizer must outlive the stream.
  explicit TextStream(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  /// The text that this token completes; may be empty.
  std::string add(int64_t id);
  /// What is left of a character that never became whole.
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  std::vector<int64_t> ids_;
  size_t given_ = 0;
};

}  // namespace fulmen::data
