# fulmen_bench: bench/*.cpp; first_step: a program whose start, memory, size and compilation bench/compare.py measures.
file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/*.cpp)
list(REMOVE_ITEM sources ${PROJECT_SOURCE_DIR}/bench/first_step.cpp)
fulmen_require(benchmark benchmark::benchmark "libbenchmark-dev" "benchmarks")
add_executable(fulmen_bench ${sources})
fulmen_options(fulmen_bench)
target_link_libraries(fulmen_bench PRIVATE fulmen benchmark::benchmark benchmark::benchmark_main)

add_executable(first_step ${PROJECT_SOURCE_DIR}/bench/first_step.cpp)
fulmen_options(first_step)
target_link_libraries(first_step PRIVATE fulmen)
