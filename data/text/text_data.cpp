#include <fulmen/data/csv.h>
#include <fulmen/data/file_bytes.h>
#include <fulmen/data/rows.h>
#include <fulmen/data/split.h>
#include <fulmen/data/text/text_data.h>
#include <fulmen/data/text/unicode.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace fulmen::data {

TokenWindows::TokenWindows(Tensor tokens, int64_t context, int64_t stride)
    : tokens_(std::move(tokens)), context_(context), stride_(stride) {
  FULMEN_CHECK(context > 0 && stride > 0, "TokenWindows: context and stride must be positive; got ", context, " and ",
               stride);
  FULMEN_CHECK(tokens_.dim() == 1 && tokens_.scalar_type() == kLong, "TokenWindows: tokens must be int64[n]; got ",
               tokens_);
  if (tokens_.size(0) <= context) {
    fail_data("TokenWindows",
              str("the text has ", tokens_.size(0), " tokens, and a context of ", context,
                  " needs at least one more than that"),
              "give a longer text or a smaller context");
  }
  windows_ = (tokens_.size(0) - 1 - context) / stride + 1;
}

Example<> TokenWindows::get(int64_t index) const {
  FULMEN_CHECK_INDEX(index >= 0 && index < windows_, "TokenWindows: there is no window ", index, " of ", windows_);
  const int64_t begin = index * stride_;
  return {tokens_.narrow(0, begin, context_), tokens_.narrow(0, begin + 1, context_)};
}

TokenBatch pad_tokens(std::span<const std::vector<int64_t>> rows, int64_t pad, PadSide side) {
  FULMEN_CHECK(!rows.empty(), "pad_tokens: there are no texts");
  size_t longest = 0;
  for (const auto& row : rows) longest = std::max(longest, row.size());
  const auto count = static_cast<int64_t>(rows.size()), width = static_cast<int64_t>(longest);
  TokenBatch batch{empty_rows({count, width}, kLong), empty_rows({count, width}, kBool), empty_rows({count}, kLong)};
  auto* ids = batch.ids.data_ptr<int64_t>();
  auto* mask = batch.mask.data_ptr<bool>();
  auto* lengths = batch.lengths.data_ptr<int64_t>();
  for (const auto& row : rows) {
    const size_t padding = longest - row.size(), first = side == PadSide::Left ? padding : 0;
    std::fill(ids, ids + longest, pad);
    std::fill(mask, mask + longest, false);
    std::copy(row.begin(), row.end(), ids + first);
    std::fill(mask + first, mask + first + row.size(), true);
    *lengths++ = static_cast<int64_t>(row.size());
    ids += longest, mask += longest;
  }
  return batch;
}

TokenRows::TokenRows(std::vector<std::vector<int64_t>> rows, Tensor targets, int64_t pad)
    : rows_(std::make_shared<const std::vector<std::vector<int64_t>>>(std::move(rows))),
      targets_(std::move(targets)),
      pad_(pad) {
  FULMEN_CHECK(!targets_.defined() || (targets_.dim() == 1 && targets_.size(0) == static_cast<int64_t>(rows_->size())),
               "TokenRows: ", rows_->size(), " texts need as many targets; got ", targets_);
}

TextExample TokenRows::get_batch(ArrayRef<size_t> indices) const {
  std::vector<std::vector<int64_t>> rows;
  std::vector<int64_t> positions;
  for (size_t index : indices) {
    FULMEN_CHECK_INDEX(index < rows_->size(), "TokenRows: there is no text ", index, " of ", rows_->size());
    rows.push_back((*rows_)[index]);
    positions.push_back(static_cast<int64_t>(index));
  }
  TokenBatch batch = pad_tokens(rows, pad_);
  return {batch.ids, batch.mask, targets_.defined() ? gather_rows(targets_, positions) : Tensor()};
}

std::vector<std::vector<int64_t>> encode_texts(const Tokenizer& tokenizer, std::span<const std::string> texts,
                                               int64_t longest) {
  std::vector<std::vector<int64_t>> rows;
  for (const std::string& text : texts) {
    std::vector<int64_t>& row = rows.emplace_back(tokenizer.encode(text));
    if (row.empty()) row = {0};
    if (longest > 0 && static_cast<int64_t>(row.size()) > longest) row.resize(static_cast<size_t>(longest));
  }
  return rows;
}

Tensor log_count_ratios(std::span<const std::vector<int64_t>> rows, const Tensor& targets, int64_t tokens) {
  FULMEN_CHECK(targets.dim() == 1 && targets.size(0) == static_cast<int64_t>(rows.size()),
               "log_count_ratios: ", rows.size(), " texts need as many targets; got ", targets);
  const Tensor target = targets.detach().to(kCPU).to(kDouble).contiguous();
  std::vector<double> with(static_cast<size_t>(tokens), 0), without(static_cast<size_t>(tokens), 0);
  double all_with = 0, all_without = 0;
  for (size_t row = 0; row < rows.size(); ++row) {
    const double value = target.data_ptr<double>()[row];
    FULMEN_CHECK(value >= 0 && value <= 1, "log_count_ratios: targets must be between 0 and 1; got ", value);
    std::vector<int64_t> ids = rows[row];
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    for (const int64_t id : ids) {
      FULMEN_CHECK_INDEX(id >= 0 && id < tokens, "log_count_ratios: there is no token ", id, " of ", tokens);
      with[static_cast<size_t>(id)] += value;
      without[static_cast<size_t>(id)] += 1 - value;
    }
    all_with += value, all_without += 1 - value;
  }
  const double usual = std::log((all_with + 1) / (all_without + 1));
  for (size_t id = 0; id < with.size(); ++id) {
    const bool seen = with[id] + without[id] > 0;
    with[id] = seen ? std::log((with[id] + 1) / (without[id] + 1)) - usual : 0;
  }
  return rows_of(with, kFloat);
}

LabelledTexts read_labelled_texts(const std::string& path, const std::string& text_column,
                                  const std::string& label_column) {
  const bool tabs = path.ends_with(".tsv") || path.ends_with(".tab");
  const CsvTable table = read_csv(path, {.delimiter = tabs ? '\t' : ',', .missing = {}, .text_columns = {text_column}});
  const CsvColumn& texts = table.column(text_column);
  const CsvColumn& labels = table.column(label_column);
  LabelledTexts found;
  for (int64_t row = 0; row < table.rows(); ++row) {
    const int32_t code = texts.codes[static_cast<size_t>(row)];
    if (code < 0) fail_data(table.place(row, text_column), "there is no text", "remove the row");
    found.texts.push_back(texts.categories[static_cast<size_t>(code)]);
  }
  if (!labels.is_text) {
    found.labels = table.tensor(label_column);
    return found;
  }
  found.label_names = labels.categories;
  std::sort(found.label_names.begin(), found.label_names.end());
  std::vector<double> numbers;
  for (int64_t row = 0; row < table.rows(); ++row) {
    const int32_t code = labels.codes[static_cast<size_t>(row)];
    if (code < 0) fail_data(table.place(row, label_column), "there is no label", "remove the row, or give it one");
    const std::string& name = labels.categories[static_cast<size_t>(code)];
    numbers.push_back(static_cast<double>(std::lower_bound(found.label_names.begin(), found.label_names.end(), name) -
                                          found.label_names.begin()));
  }
  found.labels = rows_of(numbers, kFloat);
  return found;
}

std::vector<std::string> read_lines(const std::string& path) {
  const std::string file = read_file(path);
  std::vector<std::string> lines;
  std::string_view rest = file;
  for (int64_t number = 1; !rest.empty(); ++number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == line.npos) continue;
    if (unicode::find_invalid(line) != line.npos) {
      fail_data(str(path, ":", number), "the line is not UTF-8",
                "save the file as UTF-8, for instance with: iconv -f LATIN1 -t UTF-8");
    }
    lines.emplace_back(line);
  }
  if (lines.empty()) fail_data(path, "there is no text in it", "give one text a line");
  return lines;
}

LabelledTexts read_two_files(const std::string& negative_path, const std::string& positive_path) {
  LabelledTexts found;
  found.texts = read_lines(negative_path);
  std::vector<double> labels(found.texts.size(), 0);
  for (std::string& text : read_lines(positive_path)) found.texts.push_back(std::move(text));
  labels.resize(found.texts.size(), 1);
  found.labels = rows_of(labels, kFloat);
  return found;
}

int64_t LabelledTexts::check_kinds() const {
  const auto* first = labels.data_ptr<float>();
  const auto kinds = static_cast<int64_t>(std::set<float>(first, first + labels.numel()).size());
  if (kinds < 2) {
    fail_data("labels", "all texts have the same label, so there is nothing to learn",
              "give texts of another label, too");
  }
  if (label_names.size() > 2) {
    fail_data("labels", str("they are words of ", kinds, " kinds: ", label_names[0], ", ", label_names[1], ", ..."),
              "give words of two kinds, or numbers on a scale");
  }
  return kinds;
}

std::vector<LabelledTexts> split(const LabelledTexts& texts, const std::vector<double>& fractions, uint64_t seed) {
  std::vector<LabelledTexts> parts;
  for (const auto& rows : split_rows(static_cast<int64_t>(texts.texts.size()), fractions, seed, "the texts")) {
    LabelledTexts& part = parts.emplace_back();
    for (const int64_t row : rows) part.texts.push_back(texts.texts[static_cast<size_t>(row)]);
    part.labels = gather_rows(texts.labels, rows);
    part.label_names = texts.label_names;
  }
  return parts;
}

}  // namespace fulmen::data
