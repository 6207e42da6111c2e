# FULMEN_CUDA: the CUDA side of the library, kernels/cuda/*.cu and tensor/cuda/*.cpp.
#
#   OFF       no device "cuda"
#   ON        nvcc; the library needs the static CUDA runtime and nothing else at start (cuBLAS and others load on first use)
#   EMULATED  the same sources for the processor, as C++, with tests/emulator in the place of CUDA: for tests, never installed
#
# A toolkit outside of the usual places:
#   cmake -DCUDAToolkit_ROOT=<toolkit> -DCMAKE_CUDA_COMPILER=<toolkit>/bin/nvcc
# also one put together from NVIDIA's wheels for Python (nvidia-cuda-nvcc, -crt, -cccl, -runtime, nvidia-nvvm).
set(FULMEN_CUDA OFF CACHE STRING "CUDA devices: OFF, ON or EMULATED")
set_property(CACHE FULMEN_CUDA PROPERTY STRINGS OFF ON EMULATED)
option(FULMEN_EMULATOR_CHECKED "EMULATED: kernels report races, bad addresses and uninitialised memory" OFF)

if(NOT FULMEN_CUDA STREQUAL "EMULATED" AND NOT FULMEN_CUDA MATCHES "^(ON|OFF|TRUE|FALSE|1|0)$")
  message(FATAL_ERROR "FULMEN_CUDA is '${FULMEN_CUDA}'; it can be OFF, ON or EMULATED.")
endif()

if(FULMEN_CUDA AND NOT FULMEN_CUDA STREQUAL "EMULATED")
  # Code for A100 and H100/H200, and PTX for what comes after: that of 90a would run nowhere else.
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90a-real 90-virtual)
    # Kernels of tests and benchmarks, which compile in half the time; other GPUs than H100 translate what is for A100.
    set(FULMEN_TEST_ARCHITECTURES 80-virtual 90a-real)
  endif()
  if(NOT DEFINED CMAKE_CUDA_HOST_COMPILER)
    set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
  endif()
  if(FULMEN_CCACHE AND NOT CMAKE_CUDA_COMPILER_LAUNCHER)
    set(CMAKE_CUDA_COMPILER_LAUNCHER ${FULMEN_CCACHE})
  endif()
  if(NOT CMAKE_CUDA_COMPILER AND EXISTS /usr/local/cuda/bin/nvcc)
    set(CMAKE_CUDA_COMPILER /usr/local/cuda/bin/nvcc)
  endif()
  if(PROJECT_IS_TOP_LEVEL)
    # -O is for the host's side, which does no more than launch kernels; nvcc always optimizes these.
    set(CMAKE_CUDA_FLAGS_RELEASE "-O1 -DNDEBUG" CACHE STRING "Flags of nvcc for Release")
  endif()
  enable_language(CUDA)
  if(NOT TARGET CUDA::nvToolsExt)
    add_library(CUDA::nvToolsExt INTERFACE IMPORTED)  # CMake 3.25 fails without this library, which CUDA 13 no longer has
  endif()
  find_package(CUDAToolkit REQUIRED)
endif()

# fulmen_cuda(<target>): code of ours that sees whether there is CUDA (tests; the library itself).
function(fulmen_cuda target)
  if(FULMEN_CUDA)
    target_compile_definitions(${target} PRIVATE FULMEN_CUDA)
    if(FULMEN_CUDA STREQUAL "EMULATED")
      target_compile_definitions(${target} PRIVATE FULMEN_EMULATED)
    endif()
  endif()
endfunction()

# fulmen_cuda_objects(<target> <file.cu>...): an object library of kernels, by nvcc or for the emulator.
function(fulmen_cuda_objects target)
  add_library(${target} OBJECT ${ARGN})
  fulmen_cuda(${target})
  target_include_directories(${target} PRIVATE ${FULMEN_INCLUDE_ROOT})
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  if(FULMEN_CUDA STREQUAL "EMULATED")
    fulmen_options(${target})
    target_compile_options(${target} PRIVATE $<IF:$<CONFIG:Debug>,-O1,-O3>)
    fulmen_emulate(${target})
  else()
    set_target_properties(${target} PROPERTIES CUDA_SEPARABLE_COMPILATION OFF CUDA_VISIBILITY_PRESET hidden CUDA_STANDARD 20)
    # -std by hand: CMake 3.25 leaves it out for nvcc 13, and without CUDA_STANDARD takes another one where clang compiles the rest. -Wpedantic complains about the files that nvcc itself writes.
    # 186: functors for every type compare unsigned numbers with zero, too.
    target_compile_options(${target} PRIVATE -std=c++20 --expt-relaxed-constexpr -diag-suppress=186 -lineinfo
      -Xcompiler=-Wall,-Wextra $<$<BOOL:${FULMEN_WERROR}>:-Werror=all-warnings>)
    if(CMAKE_CUDA_ARCHITECTURES MATCHES "90a")
      target_compile_definitions(${target} PRIVATE FULMEN_SM90A)  # see kernels/cuda/hopper.h
    endif()
  endif()
endfunction()

# Adds the CUDA side to the library `fulmen`.
function(fulmen_add_cuda)
  file(GLOB kernel_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/cuda/*.cu)
  file(GLOB runtime_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tensor/cuda/*.cpp)
  target_sources(fulmen PRIVATE ${runtime_sources})
  fulmen_cuda(fulmen)
  if(FULMEN_CUDA STREQUAL "EMULATED")
    include(emulator)  # the target `emulator`, an archive with include directories; fulmen_emulate(<target of .cu files>)
    target_link_libraries(fulmen PUBLIC $<BUILD_INTERFACE:emulator>)
  else()
    target_link_libraries(fulmen PRIVATE CUDA::cudart_static)
    target_include_directories(fulmen SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS})
  endif()
  fulmen_cuda_objects(cuda_kernels ${kernel_sources})
  target_sources(fulmen PRIVATE $<TARGET_OBJECTS:cuda_kernels>)
  if(FULMEN_SANITIZE MATCHES "address")
    # The optimizer's time: it takes a minute for a file with a kernel for each function and dtype, which are small anyhow.
    list(FILTER kernel_sources INCLUDE REGEX "/(unary|binary|compare|ternary|reduce|label_loss|gemm_thin)\\.cu$")
    set_property(SOURCE ${kernel_sources} TARGET_DIRECTORY cuda_kernels APPEND PROPERTY COMPILE_OPTIONS -O0)
  endif()
endfunction()
