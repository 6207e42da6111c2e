#pragma once
#include <fulmen/data/dict.h>

#include <memory>

namespace fulmen::data {

/// What a preprocessor learnt: tensors by name, and everything else as a JSON object.
struct PreprocessorState {
  std::string json = "{}";
  Dict tensors;
};

/// Something that was fitted on training data and that predictions need again; a checkpoint stores it. Copies share
/// what was learnt, so the copy that a trainer keeps and the member that a model uses are one.
class Preprocessor {
 public:
  virtual ~Preprocessor() = default;
  /// The type's name in files: "standardize", "chain", "table_encoder", ...
  virtual std::string kind() const = 0;
  virtual PreprocessorState state() const = 0;
  /// Throws if the state is not one of this kind, and then changes nothing.
  virtual void load_state(const PreprocessorState& state) = 0;
  /// Whether it can be used already.
  virtual bool fitted() const = 0;
};

/// A new preprocessor of this kind, not fitted; throws for an unknown kind and says which one is nearest.
std::shared_ptr<Preprocessor> make_preprocessor(std::string_view kind);

/// Throws if brackets are nested so deeply that only a malicious file can have them; a JSON library recurses on them.
void check_json_depth(std::string_view kind, std::string_view json);

}  // namespace fulmen::data
