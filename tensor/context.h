#pragma once
#include <string>

// Settings of the whole program, with LibTorch's names.
namespace fulmen {

/// How exact products of float32 matrices are on CUDA devices.
///   HIGHEST  float32 throughout (the default)
///   HIGH     the operands may be rounded to TensorFloat32: 10 bits of mantissa instead of 23, relative errors of about
///            3e-4 in a product; sums are float32. Many times as fast on the matrix units.
///   MEDIUM   as HIGH
/// Products on the CPU are always exact float32.
enum class Float32MatmulPrecision { HIGHEST, HIGH, MEDIUM };

class Context {
 public:
  /// Whether the precision is HIGH or MEDIUM; setting it chooses HIGH or HIGHEST.
  bool allowTF32CuBLAS() const;
  void setAllowTF32CuBLAS(bool allow);
  Float32MatmulPrecision float32MatmulPrecision() const;
  void setFloat32MatmulPrecision(Float32MatmulPrecision precision);
  /// "highest", "high" or "medium".
  void setFloat32MatmulPrecision(const std::string& precision);
};
Context& globalContext();

/// The same with the names of PyTorch's Python side.
void set_float32_matmul_precision(const std::string& precision);
std::string get_float32_matmul_precision();

}  // namespace fulmen
