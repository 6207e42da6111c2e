#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

// What every kind of byte-pair encoding does: of all neighbours that may become one token, join the best, again and
// again.
namespace fulmen::data {

/// Two neighbours may become `result`; a smaller `rank` comes first. `result` < 0: they may not.
struct PairMerge {
  double rank = 0;
  int32_t result = -1;
};

/// Joins neighbours of `ids` in place until no pair may be joined: always the pair of smallest rank, of equal ones the
/// leftmost. `find(left, right)` gives the PairMerge of two tokens. O(n log n): a text without a single blank is no
/// trouble.
template <class Find>
void merge_pairs(std::vector<int32_t>& ids, Find find) {
  struct Candidate {
    double rank;
    int32_t position, left, right, result;
    bool operator<(const Candidate& other) const {  // std::*_heap keeps the largest on top
      return rank != other.rank ? rank > other.rank : position > other.position;
    }
  };
  const auto count = static_cast<int32_t>(ids.size());
  if (count < 2) return;
  std::vector<int32_t> links(static_cast<size_t>(count) * 2);
  int32_t *next = links.data(), *previous = next + count;
  std::vector<Candidate> heap;
  heap.reserve(ids.size());
  const auto candidate = [&](int32_t position) {
    const int32_t right = next[position];
    if (right >= count) return false;
    const PairMerge merge = find(ids[static_cast<size_t>(position)], ids[static_cast<size_t>(right)]);
    if (merge.result < 0) return false;
    heap.push_back(
        {merge.rank, position, ids[static_cast<size_t>(position)], ids[static_cast<size_t>(right)], merge.result});
    return true;
  };
  for (int32_t i = 0; i < count; ++i) next[i] = i + 1, previous[i] = i - 1;
  for (int32_t i = 0; i < count; ++i) candidate(i);
  std::make_heap(heap.begin(), heap.end());
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    const Candidate best = heap.back();
    heap.pop_back();
    const int32_t at = best.position, right = next[at];
    // One of the two may have become part of another token since.
    if (ids[static_cast<size_t>(at)] != best.left || right >= count || ids[static_cast<size_t>(right)] != best.right) {
      continue;
    }
    ids[static_cast<size_t>(at)] = best.result;
    ids[static_cast<size_t>(right)] = -1;
    next[at] = next[right];
    if (next[at] < count) previous[next[at]] = at;
    if (candidate(at)) std::push_heap(heap.begin(), heap.end());
    if (previous[at] >= 0 && candidate(previous[at])) std::push_heap(heap.begin(), heap.end());
  }
  ids.erase(std::remove(ids.begin(), ids.end(), -1), ids.end());
}

}  // namespace fulmen::data
