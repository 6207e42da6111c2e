# The library: every room's sources, the CPU kernels once per instruction set, one archive.

include(GNUInstallDirs)

# <fulmen/tensor/tensor.h> while headers lie beside their sources: an include root that holds one link to the source tree.
set(FULMEN_INCLUDE_ROOT ${PROJECT_BINARY_DIR}/include)
file(MAKE_DIRECTORY ${FULMEN_INCLUDE_ROOT})
file(CREATE_LINK ${PROJECT_SOURCE_DIR} ${FULMEN_INCLUDE_ROOT}/fulmen SYMBOLIC)

# kernels/cpu is its own world, see fulmen_cpu_kernels().
set(room_globs kernels/*.cpp tensor/*.cpp autograd/*.cpp autograd/ops/*.cpp nn/*.cpp nn/*/*.cpp optim/*.cpp optim/*/*.cpp
  data/*.cpp data/*/*.cpp trainer/*.cpp trainer/*/*.cpp compat/*.cpp)
list(TRANSFORM room_globs PREPEND ${PROJECT_SOURCE_DIR}/)
file(GLOB room_sources CONFIGURE_DEPENDS ${room_globs})
file(GLOB cpu_kernel_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/cpu/*.cpp)

# The sources of kernels/cpu for one x86-64 level, as an object library `cpu_v<level>`.
#
# FULMEN_ISA names the namespace of this build of the kernels: an inline function compiled for AVX-512 must never share its
# name with one compiled for less, or the linker keeps either of the two for everyone. scripts/check_archive looks at the result. A debug build optimizes kernels as well, because an inline
# function that stays a function of its own would be such a shared name.
function(fulmen_cpu_kernels level)
  set(target cpu_v${level})
  add_library(${target} OBJECT ${cpu_kernel_sources})
  fulmen_options(${target})
  target_compile_definitions(${target} PRIVATE
    FULMEN_ISA=cpu_v${level} FULMEN_ISA_LEVEL=${level})
  target_compile_options(${target} PRIVATE -march=x86-64-v${level} ${ARGN}
    $<IF:$<CONFIG:Debug>,-O2,-O3> -fno-math-errno -fno-trapping-math -ffp-contract=fast
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>  # g++ 12 warns about its own AVX-512 headers,
    $<$<CXX_COMPILER_ID:Clang>:-Wno-pass-failed>)       # clang of every loop marked simd that it keeps as it is
  target_include_directories(${target} PRIVATE ${FULMEN_INCLUDE_ROOT})
  target_link_libraries(${target} PRIVATE OpenMP::OpenMP_CXX)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  if(FULMEN_NO_POOL)
    target_compile_definitions(${target} PRIVATE FULMEN_NO_POOL)
  endif()
  target_sources(fulmen PRIVATE $<TARGET_OBJECTS:${target}>)
endfunction()

add_library(fulmen STATIC ${room_sources})
add_library(fulmen::fulmen ALIAS fulmen)
fulmen_options(fulmen)
target_compile_features(fulmen PUBLIC cxx_std_20)
target_include_directories(fulmen PUBLIC
  $<BUILD_INTERFACE:${FULMEN_INCLUDE_ROOT}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
fulmen_use_headers(fulmen nlohmann_json::nlohmann_json)
target_link_libraries(fulmen PRIVATE OpenMP::OpenMP_CXX Threads::Threads)
if(FULMEN_IMAGES)
  # The readers of PNG, JPEG and gzip files lie in objects of their own, and a program in which none of them is does not
  # depend on their libraries.
  target_compile_definitions(fulmen PRIVATE FULMEN_IMAGES)
  fulmen_use_headers(fulmen PNG::PNG)
  fulmen_use_headers(fulmen JPEG::JPEG)
  fulmen_use_headers(fulmen ZLIB::ZLIB)
  target_link_libraries(fulmen PRIVATE PNG::PNG JPEG::JPEG ZLIB::ZLIB)
  target_link_options(fulmen INTERFACE LINKER:--as-needed)
endif()
set_target_properties(fulmen PROPERTIES POSITION_INDEPENDENT_CODE ON LINKER_LANGUAGE CXX)
if(FULMEN_NO_POOL)
  target_compile_definitions(fulmen PUBLIC FULMEN_NO_POOL)
endif()

fulmen_precompile(fulmen <fulmen/tensor/tensor.h> <nlohmann/json.hpp> <filesystem> <fstream> <functional> <map> <memory>)

if(cpu_kernel_sources)
  fulmen_cpu_kernels(3)
  if(FULMEN_ONE_ISA)
    target_compile_definitions(fulmen PUBLIC FULMEN_ONE_ISA)
  else()
    fulmen_cpu_kernels(2)
    fulmen_cpu_kernels(4 -mprefer-vector-width=512)
  endif()
endif()

if(FULMEN_CUDA)
  fulmen_add_cuda()
endif()

# <torch/torch.h> for LibTorch programs.
add_library(fulmen_torch INTERFACE)
add_library(fulmen::torch ALIAS fulmen_torch)
set_target_properties(fulmen_torch PROPERTIES EXPORT_NAME torch)
target_link_libraries(fulmen_torch INTERFACE fulmen)
target_include_directories(fulmen_torch INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/compat> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/fulmen/compat>)
