#include <fulmen/data/file_bytes.h>
#include <fulmen/data/text/byte_level_bpe_model.h>
#include <fulmen/data/text/gpt2_words.h>

#include <bit>

namespace fulmen::data {

PairTable::PairTable(size_t pairs) : entries_(std::bit_ceil(pairs * 2 + 2)), mask_(entries_.size() - 1) {}

bool PairTable::add(int32_t left, int32_t right, int32_t rank, int32_t result) {
  size_t slot = slot_of(left, right);
  while (entries_[slot].result >= 0) {
    if (entries_[slot].left == left && entries_[slot].right == right) return false;
    slot = (slot + 1) & mask_;
  }
  entries_[slot] = {left, right, rank, result};
  return true;
}

void ByteLevelBpe::Learnt::index(const std::vector<int32_t>& results) {
  table = PairTable(merges.size());
  for (size_t i = 0; i < merges.size(); ++i) {
    FULMEN_CHECK(table.add(merges[i].first, merges[i].second, static_cast<int32_t>(i), results[i]),
                 "ByteLevelBpe: the pair of merge ", i, " comes twice");
  }
}

ByteLevelBpe::ByteLevelBpe() : learnt_(std::make_shared<Learnt>()) {}

int64_t ByteLevelBpe::size() const { return static_cast<int64_t>(learnt_->tokens.size()); }

std::optional<int64_t> ByteLevelBpe::end_token() const { return special_token("<|endoftext|>"); }

std::optional<int64_t> ByteLevelBpe::special_token(std::string_view name) const {
  for (const auto& [token, id] : learnt_->special) {
    if (token == name) return id;
  }
  return std::nullopt;
}

std::vector<int64_t> ByteLevelBpe::encode(std::string_view text) const {
  const Learnt& learnt = *learnt_;
  FULMEN_CHECK(fitted(), "ByteLevelBpe: it has no tokens yet; train or load it");
  FULMEN_CHECK(text.size() < size_t{1} << 31, "ByteLevelBpe: a text of 2 GiB or more; encode it in parts");
  std::vector<int64_t> ids;
  ids.reserve(text.size() / 2);
  // Words repeat: their tokens lie in `ids` already, at {begin, count}.
  std::unordered_map<std::string_view, std::pair<size_t, size_t>> known;
  std::vector<int32_t> word;
  for (size_t at = 0; at < text.size();) {
    const size_t end = gpt2_word_end(text, at);
    const std::string_view bytes = text.substr(at, end - at);
    at = end;
    const auto [found, is_new] = known.try_emplace(bytes, ids.size(), 0);
    if (!is_new) {
      const auto [begin, count] = found->second;
      for (size_t i = begin; i < begin + count; ++i) ids.push_back(ids[i]);
      continue;
    }
    word.clear();
    for (char c : bytes) word.push_back(learnt.byte_tokens[static_cast<unsigned char>(c)]);
    merge_pairs(word, [&](int32_t left, int32_t right) { return learnt.table.find(left, right); });
    ids.insert(ids.end(), word.begin(), word.end());
    found->second.second = word.size();
  }
  return ids;
}

std::string ByteLevelBpe::decode(std::span<const int64_t> ids) const {
  std::string text;
  for (int64_t id : ids) {
    check_id(id);
    text += learnt_->tokens[static_cast<size_t>(id)];
  }
  return text;
}

PreprocessorState ByteLevelBpe::state() const {
  return {.json = "{}", .tensors = {{"merges", bytes_tensor(merges_file())}, {"ids", bytes_tensor(ids_file())}}};
}

void ByteLevelBpe::load_state(const PreprocessorState& state) {
  const std::string merges = tensor_bytes(state.tensors.find("merges"), "byte_level_bpe, 'merges'");
  const std::string ids = tensor_bytes(state.tensors.find("ids"), "byte_level_bpe, 'ids'");
  *learnt_ = parse(merges, "the stored merges", ids, "the stored token numbers");
}

}  // namespace fulmen::data
