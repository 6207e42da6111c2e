# fulmen_bench: bench/*.cpp, but for the programs that stand alone.
# first_step: a program whose start, memory, size and compilation bench/compare.py measures.
# trainer_overhead: what the trainer costs beside a loop written by hand.
# embeddings: texts through a sentence encoder, for scripts/examples_report.
file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/*.cpp)
list(FILTER sources EXCLUDE REGEX "/(first_step|trainer_overhead|embeddings)\\.cpp$")
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

foreach(program first_step trainer_overhead embeddings)
  add_executable(${program} ${PROJECT_SOURCE_DIR}/bench/${program}.cpp)
  fulmen_options(${program})
  target_link_libraries(${program} PRIVATE fulmen)
endforeach()
target_link_libraries(trainer_overhead PRIVATE benchmark::benchmark benchmark::benchmark_main)
