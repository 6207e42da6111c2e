# unit_tests, op_table, conformance, and the sources that must not compile. A part whose folder is still empty is left out.

fulmen_require(doctest doctest::doctest "doctest-dev" "unit tests")

# Environment of every test, e.g. the sanitizers' options.
set(FULMEN_TEST_ENVIRONMENT
  "ASAN_OPTIONS=detect_leaks=1:check_initialization_order=1"
  "UBSAN_OPTIONS=print_stacktrace=1"
  "TSAN_OPTIONS=ignore_noninstrumented_modules=1:history_size=4")

# fulmen_add_test(<name> LABELS <label>... COMMAND <command>...)
function(fulmen_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "LABELS;COMMAND")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 900)
  endif()
  add_test(NAME ${name} COMMAND ${arg_COMMAND} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES
    LABELS "${arg_LABELS}" ENVIRONMENT "${FULMEN_TEST_ENVIRONMENT}" TIMEOUT ${arg_TIMEOUT})
endfunction()

# Where the source tree and ../shared are; in one small object, so that no other test depends on the checkout's place.
add_library(test_paths OBJECT ${PROJECT_SOURCE_DIR}/tests/paths.cpp)
fulmen_options(test_paths)
target_compile_definitions(test_paths PRIVATE
  FULMEN_SOURCE_DIR="${PROJECT_SOURCE_DIR}" FULMEN_BIN_DIR="${PROJECT_BINARY_DIR}/bin")

function(fulmen_test_executable target)
  add_executable(${target} ${ARGN} $<TARGET_OBJECTS:test_paths>)
  fulmen_options(${target})
  fulmen_cuda(${target})
  # Compiles sooner; the library is what must be fast.
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
  target_link_libraries(${target} PRIVATE fulmen fulmen_torch doctest::doctest)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  fulmen_use_headers(${target} nlohmann_json::nlohmann_json)
  if(FULMEN_IMAGES)
    target_compile_definitions(${target} PRIVATE FULMEN_IMAGES)
    fulmen_use_headers(${target} PNG::PNG)
    fulmen_use_headers(${target} JPEG::JPEG)
    fulmen_use_headers(${target} ZLIB::ZLIB)
    target_link_libraries(${target} PRIVATE PNG::PNG JPEG::JPEG ZLIB::ZLIB)
  endif()
endfunction()

# unit_tests: tests/<room>/*_test.cpp. One CTest entry per room; under TSan also one for all that runs threads.
set(unit_sources "")
set(unit_rooms "")
set(rooms kernels tensor autograd nn optim data trainer compat examples)
if(FULMEN_EMULATOR_CHECKED)
  set(rooms cuda)  # what is checked are kernels; the others are tested under the sanitizers
elseif(FULMEN_CUDA)
  list(APPEND rooms cuda)
endif()
foreach(room IN LISTS rooms)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${room}/*_test.cpp)
  if(sources)
    list(APPEND unit_sources ${sources})
    list(APPEND unit_rooms ${room})
  endif()
endforeach()
# Under TSan only what runs threads, and the files that it is in.
set(threads "[Tt]hread|worker|parallel|[Ll]oader")
if(FULMEN_SANITIZE STREQUAL "thread")
  set(all ${unit_sources})
  set(unit_sources "")
  foreach(source IN LISTS all)
    file(STRINGS ${source} all_cases REGEX "TEST_CASE")
    file(STRINGS ${source} cases REGEX "TEST_CASE.*(${threads})")
    if(cases OR NOT all_cases)  # without any it is what others need
      list(APPEND unit_sources ${source})
    endif()
  endforeach()
endif()
if(unit_sources)
  fulmen_test_executable(unit_tests ${PROJECT_SOURCE_DIR}/tests/main.cpp ${unit_sources})
  target_compile_options(unit_tests PRIVATE $<$<CONFIG:Release>:-O0>)  # large files, none of which computes much
  fulmen_precompile(unit_tests <doctest/doctest.h> <fulmen/fulmen.h> <nlohmann/json.hpp>)
  set_source_files_properties(${PROJECT_SOURCE_DIR}/tests/main.cpp PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
  # Programs that tests of the trainer start, and kill.
  fulmen_test_executable(trainer_runs ${PROJECT_SOURCE_DIR}/tests/trainer/programs/trainer_runs.cpp)
  add_dependencies(unit_tests trainer_runs)
  foreach(room IN LISTS unit_rooms)
    if(room STREQUAL "cuda" AND FULMEN_EMULATOR_CHECKED)
      # Without what takes minutes there, and whose kernels others test: trainings, and the largest products. Conflicts of
      # banks do not depend on the order of threads.
      set(banks "*bank conflicts*")
      set(long "large TF32*,large products of float and*,long sums*,language models*,100 steps of an MLP*")
      fulmen_add_device_test(unit_cuda LABELS unit cuda COMMAND unit_tests --source-file=*tests/cuda/*
        --source-file-exclude=*house_prices* "--test-case-exclude=${long},${banks}")
      fulmen_add_test(unit_banks LABELS unit cuda checked COMMAND unit_tests "--test-case=${banks}")
    else()
      fulmen_add_test(unit_${room} LABELS unit ${room} COMMAND unit_tests --source-file=*tests/${room}/*)
    endif()
  endforeach()
  if(FULMEN_CUDA AND NOT FULMEN_EMULATOR_CHECKED AND NOT FULMEN_SANITIZE)  # on a machine with a GPU, NVIDIA's own
    fulmen_add_test(unit_cuda_cublas LABELS unit cuda COMMAND ${CMAKE_COMMAND} -E env FULMEN_GEMM=cublas
      $<TARGET_FILE:unit_tests> --source-file=*tests/cuda/* --source-file-exclude=*house_prices*)
  endif()
  if(FULMEN_SANITIZE STREQUAL "thread")
    fulmen_add_test(threads LABELS threads
      COMMAND unit_tests --test-case=*thread*,*Thread*,*worker*,*parallel*,*loader*,*Loader*)
  endif()
endif()

if(FULMEN_CUDA STREQUAL "EMULATED")
  # What needs several devices; on a machine that has them, unit_cuda and unit_trainer run these, too.
  foreach(streams eager lazy)
    fulmen_add_test(unit_devices_${streams} LABELS unit cuda checked COMMAND ${CMAKE_COMMAND} -E env
      FULMEN_EMU_DEVICES=3 FULMEN_EMU_STREAMS=${streams} $<TARGET_FILE:unit_tests> "--test-case=several devices:*")
  endforeach()
  if(NOT FULMEN_EMULATOR_CHECKED AND NOT FULMEN_SANITIZE)
    # Tolerances must leave room for the order in which a GPU's matrix instructions add up.
    fulmen_add_test(unit_cuda_noise LABELS unit cuda COMMAND ${CMAKE_COMMAND} -E env FULMEN_EMU_NOISE=1
      $<TARGET_FILE:unit_tests> "--source-file=*tests/cuda/gemm_test*,*tests/cuda/tf32_test*")
  endif()
  fulmen_add_emulator_tests()
endif()

# op_table, conformance (of recordings beside the checkout): executables with their own main.
set(suites op_table)
if(EXISTS ${PROJECT_SOURCE_DIR}/../shared/conformance AND NOT FULMEN_EMULATOR_CHECKED)
  list(APPEND suites conformance)  # it is nothing without the recordings
endif()
foreach(suite IN LISTS suites)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${suite}/*.cpp)
  if(sources)
    fulmen_test_executable(${suite} ${sources})
    fulmen_precompile(${suite} <fulmen/fulmen.h>)
    if(suite STREQUAL "op_table")
      target_compile_options(op_table PRIVATE $<$<CONFIG:Debug>:-O1>)  # what it compares with it computes itself
    endif()
    if(NOT FULMEN_EMULATOR_CHECKED)
      fulmen_add_test(${suite} LABELS ${suite} COMMAND ${suite})
    endif()
    if(suite STREQUAL "op_table" AND FULMEN_CUDA STREQUAL "EMULATED")
      fulmen_add_device_test(op_table_cuda LABELS op_table cuda COMMAND op_table --device cuda)
      # Matrix products through the emulated cuBLASLt; and what a program says that asks for it where it is missing.
      foreach(rows mm linear)
        fulmen_add_test(op_table_cublas_${rows} LABELS op_table cuda
          COMMAND ${CMAKE_COMMAND} -E env FULMEN_GEMM=cublas $<TARGET_FILE:op_table> --device cuda --filter ${rows})
      endforeach()
      # And convolutions through the emulated cuDNN.
      fulmen_add_test(op_table_cudnn LABELS op_table cuda
        COMMAND ${CMAKE_COMMAND} -E env FULMEN_CONV=cudnn $<TARGET_FILE:op_table> --device cuda --filter conv)
      # Rows fail here, as they must; so nothing of what is printed is for count_tests.
      fulmen_add_test(cublas_missing LABELS cuda COMMAND sh -c "FULMEN_GEMM=cublas FULMEN_EMU_LIBRARIES=none '$<TARGET_FILE:op_table>' --device cuda --filter linear | grep -q 'FULMEN_GEMM=cublas needs libcublasLt, which cannot be loaded: tried libcublasLt.so.13'")
      fulmen_add_test(cudnn_missing LABELS cuda COMMAND sh -c "FULMEN_CONV=cudnn FULMEN_EMU_LIBRARIES=none '$<TARGET_FILE:op_table>' --device cuda --filter conv | grep -q 'FULMEN_CONV=cudnn needs libcudnn, which cannot be loaded: tried libcudnn.so.9'")
    endif()
    if(suite STREQUAL "op_table" AND FULMEN_SANITIZE STREQUAL "" AND NOT FULMEN_ONE_ISA AND NOT FULMEN_CUDA)
      fulmen_add_test(op_rows LABELS checks COMMAND ${PROJECT_SOURCE_DIR}/scripts/check_op_rows $<TARGET_FILE:op_table>)
      # The kernels of older processors too: a processor with AVX-512 can run them all.
      foreach(level v2 v3)
        fulmen_add_test(${suite}_${level} LABELS ${suite}
          COMMAND ${CMAKE_COMMAND} -E env FULMEN_CPU=${level} $<TARGET_FILE:${suite}>)
      endforeach()
    endif()
  endif()
endforeach()

# Every file holds `// expect: <sentence>`; the compiler must refuse it with that sentence. control.cpp must compile. What is
# compiled here knows nothing of CUDA, so only one of the emulated builds does it, for clang's sake.
file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/must_not_compile/*.cpp)
if(FULMEN_CUDA STREQUAL "EMULATED" AND NOT FULMEN_SANITIZE)
  set(sources "")
endif()
foreach(source IN LISTS sources)
  get_filename_component(name ${source} NAME_WE)
  fulmen_add_test(must_not_compile_${name} LABELS must_not_compile
    COMMAND ${PROJECT_SOURCE_DIR}/tests/must_not_compile/check ${source}
            ${CMAKE_CXX_COMPILER} -std=c++20 -fsyntax-only -I ${FULMEN_INCLUDE_ROOT} -I ${PROJECT_SOURCE_DIR}/compat)
endforeach()

# The structural checks and the installation, tested by scripts of their own; a sanitizer has nothing to see there.
file(GLOB scripts CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/checks/*_test)
if(FULMEN_EMULATOR_CHECKED)
  set(scripts "")
elseif(FULMEN_CUDA STREQUAL "EMULATED")  # never installed, and the sources are checked in the other builds
  list(FILTER scripts INCLUDE REGEX "/(cuda_link|missing_kernel|adding_an_op)_test$")
elseif(FULMEN_CUDA)
  list(FILTER scripts INCLUDE REGEX "/(cuda_link|no_driver|no_hopper_code)_test$")
else()
  list(FILTER scripts EXCLUDE REGEX "/(adding_an_op|no_driver|no_hopper_code)_test$")
endif()
if(FULMEN_SANITIZE STREQUAL "")
  foreach(script IN LISTS scripts)
    get_filename_component(name ${script} NAME_WE)
    fulmen_add_test(${name} LABELS checks
      COMMAND ${CMAKE_COMMAND} -E env CXX=${CMAKE_CXX_COMPILER} FULMEN_BUILD_DIR=${PROJECT_BINARY_DIR} ${script})
    set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77)
  endforeach()
endif()

# What nvcc made of the kernels. Tests labelled nvcc need no GPU: they are those that CI runs in this build.
if(FULMEN_CUDA AND NOT FULMEN_CUDA STREQUAL "EMULATED")
  fulmen_add_test(gpu_code LABELS nvcc COMMAND ${PROJECT_SOURCE_DIR}/scripts/gpu_code check ${PROJECT_BINARY_DIR})
  set_tests_properties(gpu_code PROPERTIES SKIP_RETURN_CODE 77)
  set_tests_properties(cuda_link_test no_driver_test no_hopper_code_test PROPERTIES LABELS nvcc)
endif()
