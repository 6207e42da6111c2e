# fulmen_bench: bench/*.cpp
file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/*.cpp)
if(sources)
  fulmen_require(benchmark benchmark::benchmark "libbenchmark-dev" "benchmarks")
  add_executable(fulmen_bench ${sources})
  fulmen_options(fulmen_bench)
  target_link_libraries(fulmen_bench PRIVATE fulmen benchmark::benchmark benchmark::benchmark_main)
endif()
