#include <fulmen/data/csv_parser.h>

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

namespace fulmen::data {

namespace {

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

/// Length of the UTF-8 sequence at `s`; 0 if it is none (RFC 3629: no overlong forms, no surrogates, up to U+10FFFF).
size_t utf8_length(const unsigned char* s, size_t left) {
  auto follows = [&](size_t i) { return i < left && (s[i] & 0xc0) == 0x80; };
  if (s[0] < 0x80) return 1;
  if (s[0] >= 0xc2 && s[0] <= 0xdf) return follows(1) ? 2 : 0;
  if (s[0] >= 0xe0 && s[0] <= 0xef) {
    if (!follows(1) || !follows(2)) return 0;
    const bool overlong = s[0] == 0xe0 && s[1] < 0xa0, surrogate = s[0] == 0xed && s[1] > 0x9f;
    return overlong || surrogate ? 0 : 3;
  }
  if (s[0] >= 0xf0 && s[0] <= 0xf4) {
    if (!follows(1) || !follows(2) || !follows(3)) return 0;
    return (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f) ? 0 : 4;
  }
  return 0;
}

/// The first byte that is NUL or begins no UTF-8 sequence; the size of the text if all is well.
size_t first_bad_byte(std::string_view text) {
  const auto* s = reinterpret_cast<const unsigned char*>(text.data());
  constexpr uint64_t ones = 0x0101010101010101ull, highs = 0x8080808080808080ull;
  size_t i = 0;
  while (i < text.size()) {
    uint64_t word;
    if (i + 8 <= text.size() &&
        (std::memcpy(&word, s + i, 8), ((word & highs) | ((word - ones) & ~word & highs)) == 0)) {
      i += 8;  // eight ASCII characters, none of them NUL
      continue;
    }
    size_t length = s[i] == 0 ? 0 : utf8_length(s + i, text.size() - i);
    if (length == 0) return i;
    i += length;
  }
  return i;
}

/// A short decimal number without libc: exact, because both the digits and the power of ten are exact doubles.
bool parse_short(const char* p, const char* end, double& value) {
  static constexpr double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  const bool negative = *p == '-';
  p += negative;
  if (end - p > 16 || p == end) return false;
  uint64_t digits = 0;
  int count = 0, after_point = -1;
  for (; p < end; ++p) {
    if (*p == '.' && after_point < 0) {
      after_point = 0;
      continue;
    }
    const auto digit = static_cast<unsigned>(*p - '0');
    if (digit > 9) return false;
    digits = digits * 10 + digit;
    ++count;
    if (after_point >= 0) ++after_point;
  }
  if (count == 0 || count > 15) return false;
  const double magnitude = static_cast<double>(digits) / powers[after_point > 0 ? after_point : 0];
  value = negative ? -magnitude : magnitude;
  return true;
}

/// Of a number that no double can hold: whether it is too small rather than too large.
bool below_range(std::string_view number) {
  size_t e = number.find_first_of("eE");
  std::string_view mantissa = number.substr(0, e);
  if (e != std::string_view::npos) return number.substr(e + 1).starts_with('-');
  return mantissa.substr(0, mantissa.find('.')).find_first_not_of("-0") == std::string_view::npos;
}

}  // namespace

double parse_number(std::string_view field, bool& ok) {
  const char *p = field.data(), *end = p + field.size();
  while (p < end && (*p == ' ' || *p == '\t')) ++p;
  while (p < end && (end[-1] == ' ' || end[-1] == '\t')) --end;
  ok = true;
  double value = 0;
  if (p < end && parse_short(p, end, value)) return value;
  if (end - p > 1 && *p == '+' && p[1] != '-') ++p;
  auto [stop, error] = std::from_chars(p, end, value);
  if (error == std::errc::result_out_of_range && stop == end && below_range({p, end})) return *p == '-' ? -0.0 : 0.0;
  ok = error == std::errc() && stop == end && p != end && std::isfinite(value);
  return ok ? value : std::numeric_limits<double>::quiet_NaN();
}

CsvParser::CsvParser(std::string_view text, const CsvOptions& options, std::string source)
    : delimiter_(options.delimiter),
      max_field_bytes_(options.max_field_bytes),
      max_columns_(options.max_columns),
      source_(std::move(source)) {
  check_encoding(text);
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  begin_ = at_ = text.data();
  end_ = begin_ + text.size();
}

void CsvParser::check_encoding(std::string_view text) const {
  const size_t bad = first_bad_byte(text);
  if (bad == text.size()) return;
  int64_t line = 1;
  for (size_t i = 0; i < bad; ++i) line += text[i] == '\n';
  const bool utf16 = text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff");
  const std::string what = utf16            ? "the file is UTF-16"
                           : text[bad] == 0 ? str("byte ", bad, " is NUL: this is no text file")
                                            : str("byte ", bad, " is not UTF-8");
  fail_data(str(source_, ":", line), what, "save the file as UTF-8, for instance with: iconv -f LATIN1 -t UTF-8");
}

void CsvParser::rewind() {
  at_ = begin_;
  line_ = record_line_ = 1;
}

void CsvParser::skip_line_end() {
  if (at_ == end_) return;
  if (*at_ == '\r' && at_ + 1 < end_ && at_[1] == '\n') ++at_;
  ++at_;
  ++line_;
}

bool CsvParser::next(std::vector<CsvField>& fields) {
  fields.clear();
  unescaped_count_ = 0;
  while (at_ < end_ && at_line_end()) skip_line_end();
  if (at_ == end_) return false;
  record_line_ = line_;
  while (true) {
    const bool quoted = at_ < end_ && *at_ == '"';
    if (static_cast<int64_t>(fields.size()) == max_columns_) {
      fail_data(str(source_, ":", record_line_), str("more than ", max_columns_, " fields"),
                "raise CsvOptions::max_columns if the file is meant to be that wide");
    }
    fields.push_back({quoted ? quoted_field() : unquoted_field(), quoted});
    if (static_cast<int64_t>(fields.back().text.size()) > max_field_bytes_) {
      fail_data(
          str(source_, ":", record_line_),
          str("field ", fields.size(), " has ", fields.back().text.size(), " bytes; the limit is ", max_field_bytes_),
          "look for a quote that is never closed, or raise CsvOptions::max_field_bytes");
    }
    if (at_line_end()) break;
    ++at_;  // the delimiter
  }
  skip_line_end();
  return true;
}

std::string_view CsvParser::unquoted_field() {
  const char* start = at_;
  const char delimiter = delimiter_;
  while (at_ < end_ && *at_ != delimiter && *at_ != '\n' && *at_ != '\r') ++at_;
  return {start, at_};
}

std::string_view CsvParser::quoted_field() {
  const int64_t opened_on = line_;
  const char* start = ++at_;
  std::string* unescaped = nullptr;
  while (true) {
    const char* stop = at_;
    while (stop < end_ && *stop != '"') line_ += *stop++ == '\n';
    if (stop == end_) {
      fail_data(str(source_, ":", opened_on), "the quote that opens a field here is never closed",
                "close it, and write a quote within a field twice (\"\")");
    }
    if (stop + 1 < end_ && stop[1] == '"') {  // a doubled quote: from now on the field is collected in a string
      if (!unescaped) {
        if (unescaped_count_ == unescaped_.size()) unescaped_.emplace_back();
        unescaped = &unescaped_[unescaped_count_++];
        unescaped->clear();
      }
      unescaped->append(start, stop + 1);
      start = at_ = stop + 2;
      continue;
    }
    at_ = stop + 1;
    if (!at_line_end() && *at_ != delimiter_) {
      fail_data(str(source_, ":", line_), str("'", *at_, "' follows the quote that closes a field"),
                "put the whole field between quotes, and write a quote within it twice (\"\")");
    }
    if (!unescaped) return {start, stop};
    unescaped->append(start, stop);
    return *unescaped;
  }
}

}  // namespace fulmen::data
