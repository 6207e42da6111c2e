#pragma once
#include <emulator/thread.h>

#include <tuple>
#include <type_traits>
#include <utility>

namespace emulator {

/// What one launch runs in every thread: `invoke(arguments)`. Parameters are copied as bytes, as CUDA does.
struct KernelCall {
  const char* name;
  const void* kernel;
  void (*invoke)(void* arguments);
  const void* arguments;
  size_t bytes;
};
void launch_call(const KernelCall& call, dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream);

/// kernel<<<grid, block, shared_bytes, stream>>>(arguments...)
template <class... P>
inline void launch(const char* name, void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes,
                   cudaStream_t stream, P... arguments) {
  static_assert((std::is_trivially_copyable_v<P> && ...), "kernel parameters are copied as bytes");
  struct Arguments {
    void (*kernel)(P...);
    std::tuple<P...> values;
  } packed{kernel, {arguments...}};
  // std::apply would copy each parameter once more than CUDA does, which is harmless.
  auto invoke = [](void* p) EMULATOR_INTERNAL {
    auto* call = static_cast<Arguments*>(p);
    std::apply(call->kernel, call->values);
  };
  launch_call({name, reinterpret_cast<const void*>(kernel), invoke, &packed, sizeof packed}, grid, block, shared_bytes,
              stream);
}

}  // namespace emulator
