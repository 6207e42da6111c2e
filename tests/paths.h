#pragma once

#include <string>

namespace fulmen::testing {

/// Root of the source tree that the tests were built from, without a trailing slash.
std::string source_dir();

/// Folder of the executables of this build (`op_table`, the examples, ...).
std::string bin_dir();

/// Folder with extra reference data: `$FULMEN_SHARED`, or else `shared` beside the source tree. Empty when there is
/// none; a test that wants it then passes without that part.
std::string shared_dir();

}  // namespace fulmen::testing
