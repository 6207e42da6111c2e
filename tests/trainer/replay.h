#pragma once
#include "recording.h"

namespace fulmen::trainer::testing {

/// What one run of a plan did: its events, and at the end `# final` and `# files` as in the recordings.
using RecordedLines = std::vector<std::string>;

/// Carries out a plan, one entry per run (the format: tests/trainer/recordings/README.md).
std::vector<RecordedLines> replay(const Json& plan);

/// The runs of a recording.
std::vector<RecordedLines> recorded_runs(const std::string& path);

/// Empty if the lines agree: numbers to 1e-6 + 1e-5 |x|, everything else exactly. Otherwise the first that differ.
std::string first_difference(const RecordedLines& ours, const RecordedLines& recorded);

}  // namespace fulmen::trainer::testing
