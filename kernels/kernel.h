#pragma once
#include <fulmen/kernels/launch.h>

namespace fulmen {

[[noreturn]] void no_cuda_kernel(const char* name);
/// Around the call of a CUDA kernel (tensor/cuda): meanwhile the launch's device is the current one.
class CudaCall {
 public:
  CudaCall(const Launch& launch, const char* kernel);
  ~CudaCall();
  CudaCall(const CudaCall&) = delete;
  /// Throws an Error that names the kernel and the op if the launch failed.
  void finish() const;

 private:
  const Launch& launch_;
  const char* kernel_;
  int device_before_;
};

/// One kernel on every device: called like a function, it runs the implementation that the Launch asks for.
template <class... A>
struct Kernel {
  using Fn = void (*)(const Launch&, A...);
  const char* name;
  Fn cpu[3];
  Fn cuda;
  void operator()(const Launch& launch, A... a) const {
    if (launch.cuda()) {
#ifdef FULMEN_CUDA
      const CudaCall call(launch, name);
      cuda(launch, a...);
      call.finish();
#else
      no_cuda_kernel(name);
#endif
    } else {
      cpu[launch.isa()](launch, a...);
    }
  }
};
#ifdef FULMEN_CUDA
#define FULMEN_CUDA_FN(name) &cuda::name
#else
#define FULMEN_CUDA_FN(name) static_cast<decltype(&cpu_v2::name)>(nullptr)
#endif

// A sanitizer sees in one instruction set what it would see in three.
#ifdef FULMEN_ONE_ISA
#define FULMEN_CPU_FN(name, level) &cpu_v3::name
#else
#define FULMEN_CPU_FN(name, level) &cpu_##level::name
#endif

/// Declares a kernel for every instruction set and device: KERNEL(softmax, View y, ConstView x) inside namespace
/// fulmen. Parameters are plain structs passed by value. A missing implementation is a link error that names the
/// signature.
#define KERNEL(name, ...)                                                                           \
  namespace cpu_v2 {                                                                                \
  void name(const Launch&, __VA_ARGS__);                                                            \
  }                                                                                                 \
  namespace cpu_v3 {                                                                                \
  void name(const Launch&, __VA_ARGS__);                                                            \
  }                                                                                                 \
  namespace cpu_v4 {                                                                                \
  void name(const Launch&, __VA_ARGS__);                                                            \
  }                                                                                                 \
  namespace cuda {                                                                                  \
  void name(const Launch&, __VA_ARGS__);                                                            \
  }                                                                                                 \
  namespace kernel {                                                                                \
  inline constexpr auto name = make_kernel(#name, FULMEN_CPU_FN(name, v2), FULMEN_CPU_FN(name, v3), \
                                           FULMEN_CPU_FN(name, v4), FULMEN_CUDA_FN(name));          \
  }

template <class... A>
constexpr Kernel<A...> make_kernel(const char* name, void (*v2)(const Launch&, A...), void (*v3)(const Launch&, A...),
                                   void (*v4)(const Launch&, A...), void (*cuda)(const Launch&, A...)) {
  return {name, {v2, v3, v4}, cuda};
}

}  // namespace fulmen
