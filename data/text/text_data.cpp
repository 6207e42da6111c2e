#include <fulmen/data/csv.h>
#include <fulmen/data/file_bytes.h>
#include <fulmen/data/rows.h>
#include <fulmen/data/text/text_data.h>
#include <fulmen/data/text/unicode.h>

#include <algorithm>

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
    found.labels = table.tensor(label_column, kDouble);
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
  found.labels = rows_of(numbers, kDouble);
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
  found.labels = rows_of(labels, kDouble);
  return found;
}

}  // namespace fulmen::data
