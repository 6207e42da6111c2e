#include <fulmen/kernels/conv_settings.h>
#include <fulmen/kernels/gemm_settings.h>
#include <fulmen/tensor/context.h>
#include <fulmen/tensor/cuda.h>
#include <fulmen/tensor/error.h>

#include <atomic>
#include <cstdlib>

namespace fulmen {

namespace {

std::atomic<Float32MatmulPrecision> precision_now{Float32MatmulPrecision::HIGHEST};

/// An environment variable that says own, auto (or nothing), or the name of NVIDIA's library.
template <class Backend>
Backend from_environment(const char* variable, const char* vendor, Backend vendors) {
  const char* text = std::getenv(variable);
  const std::string name = text ? text : "auto";
  if (name == "own") return Backend::own;
  if (name == vendor) return vendors;
  FULMEN_CHECK(name == "auto" || name.empty(), variable, " is '", name, "'; it can be own, ", vendor, " or auto");
  return Backend::automatic;
}
std::atomic<GemmBackend>& gemm_backend_now() {
  static std::atomic<GemmBackend> backend{from_environment("FULMEN_GEMM", "cublas", GemmBackend::cublas)};
  return backend;
}
std::atomic<ConvBackend>& conv_backend_now() {
  static std::atomic<ConvBackend> backend{from_environment("FULMEN_CONV", "cudnn", ConvBackend::cudnn)};
  return backend;
}

}  // namespace

bool Context::allowTF32CuBLAS() const { return float32MatmulPrecision() != Float32MatmulPrecision::HIGHEST; }
void Context::setAllowTF32CuBLAS(bool allow) {
  setFloat32MatmulPrecision(allow ? Float32MatmulPrecision::HIGH : Float32MatmulPrecision::HIGHEST);
}
Float32MatmulPrecision Context::float32MatmulPrecision() const { return precision_now.load(std::memory_order_relaxed); }
void Context::setFloat32MatmulPrecision(Float32MatmulPrecision precision) { precision_now = precision; }
void Context::setFloat32MatmulPrecision(const std::string& precision) {
  if (precision == "highest") return setFloat32MatmulPrecision(Float32MatmulPrecision::HIGHEST);
  if (precision == "high") return setFloat32MatmulPrecision(Float32MatmulPrecision::HIGH);
  FULMEN_CHECK(precision == "medium", "set_float32_matmul_precision: got '", precision,
               "'; it can be highest, high or medium");
  setFloat32MatmulPrecision(Float32MatmulPrecision::MEDIUM);
}
Context& globalContext() {
  static Context context;
  return context;
}

void set_float32_matmul_precision(const std::string& precision) {
  globalContext().setFloat32MatmulPrecision(precision);
}
std::string get_float32_matmul_precision() {
  switch (globalContext().float32MatmulPrecision()) {
    case Float32MatmulPrecision::HIGHEST:
      return "highest";
    case Float32MatmulPrecision::HIGH:
      return "high";
    default:
      return "medium";
  }
}

namespace cuda {
void set_gemm_backend(GemmBackend backend) { gemm_backend_now() = backend; }
GemmBackend gemm_backend() { return gemm_backend_now().load(std::memory_order_relaxed); }
void set_conv_backend(ConvBackend backend) { conv_backend_now() = backend; }
ConvBackend conv_backend() { return conv_backend_now().load(std::memory_order_relaxed); }
}  // namespace cuda

ConvBackend conv_backend_setting() { return cuda::conv_backend(); }
GemmSettings gemm_settings() { return {cuda::gemm_backend(), globalContext().allowTF32CuBLAS()}; }

}  // namespace fulmen
