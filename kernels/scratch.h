#pragma once
#include <cstddef>

namespace fulmen {

/// Purposes that may need working memory of one thread at the same time.
enum class Scratch { Panel, Block, Result };
inline constexpr int scratch_kinds = 3;

/// Working memory for a kernel: 64-byte aligned, not initialised, kept by the calling thread for its next call of the
/// same kind, given back when the thread ends.
void* thread_scratch(Scratch kind, size_t bytes);

}  // namespace fulmen
