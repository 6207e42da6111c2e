#include <fulmen/data/table_encoder.h>
#include <fulmen/data/text/byte_level_bpe.h>
#include <fulmen/data/text/hashed_ngrams.h>
#include <fulmen/data/text/scored_bpe.h>
#include <fulmen/data/text/word_piece.h>
#include <fulmen/data/transforms.h>
#include <fulmen/tensor/nearest_name.h>

namespace fulmen::data {

std::shared_ptr<Preprocessor> make_preprocessor(std::string_view kind) {
  if (kind == "standardize") return std::make_shared<Standardize>();
  if (kind == "robust_standardize") return std::make_shared<RobustStandardize>();
  if (kind == "min_max") return std::make_shared<MinMax>();
  if (kind == "log1p") return std::make_shared<Log1p>();
  if (kind == "log1p_if_skewed") return std::make_shared<Log1pIfSkewed>();
  if (kind == "clip") return std::make_shared<Clip>();
  if (kind == "chain") return std::make_shared<Chain>();
  if (kind == "table_encoder") return std::make_shared<TableEncoder>();
  if (kind == "bytes") return std::make_shared<Bytes>();
  if (kind == "characters") return std::make_shared<Characters>();
  if (kind == "byte_level_bpe") return std::make_shared<ByteLevelBpe>();
  if (kind == "word_piece") return std::make_shared<WordPiece>();
  if (kind == "scored_bpe") return std::make_shared<ScoredBpe>();
  if (kind == "hashed_ngrams") return std::make_shared<HashedNgrams>();
  if (kind == "tokenizer") return std::make_shared<AnyTokenizer>();
  std::string nearest = nearest_name(kind, {"standardize", "robust_standardize", "min_max", "log1p", "log1p_if_skewed",
                                            "clip", "chain", "table_encoder", "bytes", "characters", "byte_level_bpe",
                                            "word_piece", "scored_bpe", "hashed_ngrams", "tokenizer"});
  fail(str("there is no preprocessor of kind '", kind, "'",
           nearest.empty() ? std::string() : str(" (did you mean '", nearest, "'?)")));
}

void check_json_depth(std::string_view kind, std::string_view json) {
  constexpr int max_depth = 64;
  int depth = 0;
  bool in_text = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_text) {
      if (c == '\\') ++i;
      if (c == '"') in_text = false;
    } else if (c == '"') {
      in_text = true;
    } else if (c == '{' || c == '[') {
      FULMEN_CHECK(++depth <= max_depth, kind, ": the stored JSON is nested more than ", max_depth, " levels deep");
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
}

}  // namespace fulmen::data
