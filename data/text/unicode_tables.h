#pragma once
#include <cstdint>

// Facts about characters, made by make_unicode_tables.py; unicode.h reads them.
namespace fulmen::data::unicode {

/// The version of Unicode, such as "16.0.0".
extern const char* const version;
/// (first character << 4 | Kind) wherever the kind changes.
extern const uint32_t kind_runs[];
extern const int kind_runs_count;
/// (first character << 8 | canonical combining class) wherever the class changes.
extern const uint32_t combining_runs[];
extern const int combining_runs_count;
/// {first, last, step, distance}: lowercase = character + distance.
extern const int32_t lower_runs[];
extern const int lower_runs_count;
/// {character, first part, second part or 0}: canonical decompositions, one step.
extern const uint32_t decompositions[];
extern const int decompositions_count;

}  // namespace fulmen::data::unicode
