#pragma once
#include <fulmen/kernels/cuda.h>
#include <fulmen/kernels/kernel.h>

namespace fulmen::gpu {

/// Sorts unsigned keys, each row for itself: ascending, equal keys in their order, the same on every device. Rows of up
/// to 2048 keys are sorted inside one block; longer ones digit by digit (8 bits) through memory, at 2 (key + 8) bytes
/// and one read of the keys per digit.
template <class K>
class KeySort {
 public:
  KeySort(const Launch& launch, int64_t rows, int64_t n);
  /// [rows, n], to be written before run(); sorted afterwards.
  K* keys() const { return keys_[current_]; }
  /// [rows, n] after run(): where in its row a key was.
  int64_t* positions() const { return positions_[current_]; }
  /// By the lowest `bits` bits; the others are 0.
  void run(int bits = 8 * sizeof(K));
  int64_t count() const { return rows_ * n_; }

 private:
  void sort_in_blocks();
  void sort_by_digit(int shift, bool first);

  const Launch& launch_;
  int64_t rows_, n_, tiles_;
  cuda::Workspace memory_;
  K* keys_[2];
  int64_t* positions_[2];
  int64_t *counts_, *totals_;
  int current_ = 0;
};
extern template class KeySort<uint8_t>;
extern template class KeySort<uint16_t>;
extern template class KeySort<uint32_t>;
extern template class KeySort<uint64_t>;

/// The bits that numbers up to `largest` need.
inline int bits_for(int64_t largest) {
  int bits = 1;
  while (bits < 63 && (largest >> bits) != 0) ++bits;
  return bits;
}

}  // namespace fulmen::gpu
