#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <fulmen/tensor/cuda.h>

#include <cstdio>

// The suite "cuda" needs a device; a build with CUDA also runs where there is none.
int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
#ifdef FULMEN_CUDA
  if (!fulmen::cuda::is_available()) {
    std::printf("tests on cuda are left out: %s\n", fulmen::cuda::why_not_available().c_str());
    context.addFilter("test-suite-exclude", "cuda");
  }
#endif
  return context.run();
}
