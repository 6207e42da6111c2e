#pragma once
#include <fulmen/tensor/cuda/pinned.h>

#include <cstddef>

namespace fulmen::cuda {

/// If this thread captures a graph, the graph takes over the block and keeps its contents; returns whether it did.
bool keep_for_graph(PinnedBlock* block);
/// Copies host memory into device memory in stream order; `from` may change as soon as this returns.
void upload(void* to, const void* from, size_t bytes, const Stream& stream);

}  // namespace fulmen::cuda
