# fulmen_bench: bench/*.cpp; first_step: a program whose start, memory, size and compilation bench/compare.py measures.
file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/*.cpp)
list(REMOVE_ITEM sources ${PROJECT_SOURCE_DIR}/bench/first_step.cpp ${PROJECT_SOURCE_DIR}/bench/trainer_overhead.cpp)
fulmen_require(benchmark benchmark::benchmark "libbenchmark-dev" "benchmarks")
add_executable(fulmen_bench ${sources})
fulmen_options(fulmen_bench)
target_link_libraries(fulmen_bench PRIVATE fulmen benchmark::benchmark benchmark::benchmark_main OpenMP::OpenMP_CXX)

# Eigen's products for comparison, in a namespace of their own: compiled with AVX2, see fulmen_cpu_kernels().
fulmen_require(Eigen3 Eigen3::Eigen "libeigen3-dev" "benchmarks")
fulmen_use_headers(fulmen_bench Eigen3::Eigen)
set_source_files_properties(${PROJECT_SOURCE_DIR}/bench/eigen_product.cpp PROPERTIES
  COMPILE_OPTIONS "-march=x86-64-v3;-O3;$<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>"
  COMPILE_DEFINITIONS "Eigen=Eigen_v3;EIGEN_MPL2_ONLY")

add_executable(first_step ${PROJECT_SOURCE_DIR}/bench/first_step.cpp)
fulmen_options(first_step)
target_link_libraries(first_step PRIVATE fulmen)

# What the trainer costs beside a loop written by hand.
add_executable(trainer_overhead ${PROJECT_SOURCE_DIR}/bench/trainer_overhead.cpp)
fulmen_options(trainer_overhead)
target_link_libraries(trainer_overhead PRIVATE fulmen benchmark::benchmark benchmark::benchmark_main)
