# The emulator of tests/emulator: runs .cu files on the CPU, for tests. cmake/cuda.cmake includes this when FULMEN_CUDA
# is EMULATED.

find_package(Threads REQUIRED)

file(GLOB emulator_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/emulator/*.cpp)
list(FILTER emulator_sources EXCLUDE REGEX "_test\\.cpp$")
add_library(emulator STATIC ${emulator_sources})
fulmen_options(emulator)
target_compile_options(emulator PRIVATE $<$<CONFIG:Debug>:-O2> -march=x86-64-v3)
target_include_directories(emulator PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/tests/emulator/include>)
target_include_directories(emulator PRIVATE ${FULMEN_INCLUDE_ROOT})
target_link_libraries(emulator PUBLIC Threads::Threads)
if(FULMEN_SANITIZE MATCHES "address")
  # The emulator moves between stacks; it tells the sanitizer, and is not instrumented itself.
  target_compile_definitions(emulator PRIVATE FULMEN_EMULATOR_ASAN)
  target_compile_options(emulator PRIVATE -fno-sanitize=address,undefined)
endif()

# Compiles the .cu files of `target` as C++ against the emulator's cuda_runtime.h.
function(fulmen_emulate target)
  get_target_property(sources ${target} SOURCES)
  list(FILTER sources INCLUDE REGEX "\\.cu$")
  set_source_files_properties(${sources} TARGET_DIRECTORY ${target} PROPERTIES
    LANGUAGE CXX COMPILE_DEFINITIONS FULMEN_GPU_CODE
    COMPILE_OPTIONS "-x;c++;-march=x86-64-v3;-ffp-contract=fast;-Wno-unknown-pragmas;-Wno-psabi;$<$<CXX_COMPILER_ID:Clang>:-Wno-pass-failed>")
  if(FULMEN_EMULATOR_CHECKED)
    # Instrumented, but not linked with the sanitizer: tests/emulator/check_calls.cpp takes its calls. By clang, because g++
    # 12 does not instrument every store; what is not a kernel is compiled as in the other builds.
    set_property(SOURCE ${sources} TARGET_DIRECTORY ${target} APPEND PROPERTY
      COMPILE_OPTIONS "-fsanitize=thread;-O1;-gline-tables-only;-Wno-pass-failed")
    if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
      find_program(FULMEN_CLANG NAMES clang++ clang++-19 clang++-18 clang++-17 clang++-16 clang++-15 clang++-14)
      if(NOT FULMEN_CLANG)
        message(FATAL_ERROR "FULMEN_EMULATOR_CHECKED needs clang++ for the kernels; on Debian or Ubuntu: apt-get install clang")
      endif()
      set_target_properties(${target} PROPERTIES
        CXX_COMPILER_LAUNCHER "${PROJECT_SOURCE_DIR}/cmake/compile_with;${FULMEN_CLANG}")
      target_compile_options(${target} PRIVATE -Wno-unknown-warning-option)  # those of g++
    endif()
  endif()
  target_link_libraries(${target} PRIVATE emulator)
endfunction()

# fulmen_add_device_test(<name> LABELS <label>... COMMAND <target> <argument>...): a test of kernels. The checked emulator
# runs it in three orders of threads, the last with streams that work as late as they may; every block of memory is an
# allocation of its own there, so that the checks see its ends.
function(fulmen_add_device_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LABELS;COMMAND")
  if(NOT FULMEN_EMULATOR_CHECKED)
    fulmen_add_test(${name} LABELS ${arg_LABELS} COMMAND ${arg_COMMAND})
    return()
  endif()
  list(POP_FRONT arg_COMMAND target)
  foreach(order forward reverse random)
    set(settings FULMEN_CUDA_CACHE=off FULMEN_EMU_ORDER=${order})
    if(order STREQUAL "random")
      list(APPEND settings FULMEN_EMU_STREAMS=lazy)
    endif()
    fulmen_add_test(${name}_${order} LABELS ${arg_LABELS} checked
      COMMAND ${CMAKE_COMMAND} -E env ${settings} $<TARGET_FILE:${target}> ${arg_COMMAND})
  endforeach()
endfunction()

# emulator_tests: the emulator's own tests, tests/emulator/*_test.cu; they set the order of threads by themselves.
function(fulmen_add_emulator_tests)
  file(GLOB test_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/emulator/*_test.cu)
  add_executable(emulator_tests ${PROJECT_SOURCE_DIR}/tests/main.cpp ${test_sources})
  fulmen_options(emulator_tests)
  target_compile_options(emulator_tests PRIVATE -O1)
  target_include_directories(emulator_tests PRIVATE ${FULMEN_INCLUDE_ROOT})
  target_link_libraries(emulator_tests PRIVATE doctest::doctest)
  fulmen_emulate(emulator_tests)
  fulmen_add_test(emulator LABELS emulator checked COMMAND emulator_tests)
endfunction()
