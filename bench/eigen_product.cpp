// Eigen's matrix product, the yardstick for ours (docs/decisions/0005): compiled for x86-64-v3, where Eigen 3.4 is
// fastest on the processors measured so far. Nothing but this function may come out of this file, see
// cmake/library.cmake.
#include <fulmen/bench/eigen_product.h>

#include <Eigen/Core>

void eigen_product(const float* a, const float* b, float* c, int n, int threads) {
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::setNbThreads(threads);
  Eigen::Map<Matrix>(c, n, n).noalias() = Eigen::Map<const Matrix>(a, n, n) * Eigen::Map<const Matrix>(b, n, n);
}
