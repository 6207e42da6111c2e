# kernels: bench/kernels, the benchmark of the CUDA kernels and the ladders that lead to them; tests run it as well.
file(GLOB ladder_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/kernels/ladder/*.cu)
file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/kernels/*.cpp
  ${PROJECT_SOURCE_DIR}/bench/kernels/ladder/*.cpp)
fulmen_cuda_objects(kernel_ladders ${ladder_sources})
if(FULMEN_TEST_ARCHITECTURES)
  set_target_properties(kernel_ladders PROPERTIES CUDA_ARCHITECTURES "${FULMEN_TEST_ARCHITECTURES}")
endif()
add_executable(kernels ${sources} $<TARGET_OBJECTS:kernel_ladders>)
fulmen_options(kernels)
fulmen_cuda(kernels)
target_link_libraries(kernels PRIVATE fulmen)
if(FULMEN_CUDA STREQUAL "EMULATED")
  set(orders forward reverse random)
else()
  target_include_directories(kernels SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS})
  set(orders the_device)
endif()

if(FULMEN_TESTS)
  foreach(order IN LISTS orders)
    fulmen_add_test(kernel_ladders_${order} LABELS cuda
      COMMAND ${CMAKE_COMMAND} -E env FULMEN_EMU_ORDER=${order} $<TARGET_FILE:kernels> --check)
    set_tests_properties(kernel_ladders_${order} PROPERTIES SKIP_RETURN_CODE 3)  # no device
  endforeach()
endif()

# wrapper_conformance: tests/wrappers, every PTX wrapper against what the emulator wrote into the repository.
if(FULMEN_TESTS)
  file(GLOB wrapper_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/wrappers/*.cu)
  fulmen_cuda_objects(wrapper_kernels ${wrapper_sources})
  if(FULMEN_TEST_ARCHITECTURES)
    set_target_properties(wrapper_kernels PROPERTIES CUDA_ARCHITECTURES "${FULMEN_TEST_ARCHITECTURES}")
  endif()
  add_executable(wrapper_conformance ${PROJECT_SOURCE_DIR}/tests/wrappers/main.cpp $<TARGET_OBJECTS:wrapper_kernels>)
  fulmen_options(wrapper_conformance)
  target_include_directories(wrapper_conformance PRIVATE ${FULMEN_INCLUDE_ROOT})
  if(FULMEN_CUDA STREQUAL "EMULATED")
    target_link_libraries(wrapper_conformance PRIVATE emulator)
  else()
    target_link_libraries(wrapper_conformance PRIVATE CUDA::cudart_static)
  endif()
  fulmen_add_test(wrapper_conformance LABELS cuda COMMAND wrapper_conformance
    --compare ${PROJECT_SOURCE_DIR}/tests/wrappers/golden/results.txt)
  set_tests_properties(wrapper_conformance PROPERTIES SKIP_RETURN_CODE 3)  # no device
  if(FULMEN_CUDA STREQUAL "EMULATED" AND NOT FULMEN_EMULATOR_CHECKED AND FULMEN_SANITIZE STREQUAL "")
    fulmen_add_test(gpu_check LABELS cuda
      COMMAND ${PROJECT_SOURCE_DIR}/scripts/gpu_check --emulated --build ${PROJECT_BINARY_DIR})
  endif()
endif()
