# What every target of ours is compiled with. Nothing here leaks into a project that adds Fulmen as a subdirectory.

if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  message(FATAL_ERROR "Fulmen's CPU kernels are written for x86-64; this processor is '${CMAKE_SYSTEM_PROCESSOR}'.")
endif()
if(NOT CMAKE_CXX_COMPILER_ID MATCHES "^(GNU|Clang)$")
  message(WARNING "Fulmen is tested with g++ 12 and clang 14 and newer, not with ${CMAKE_CXX_COMPILER_ID}.")
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12
       OR CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  message(WARNING "Fulmen is tested with g++ 12 and clang 14 and newer; this is ${CMAKE_CXX_COMPILER_ID} "
                  "${CMAKE_CXX_COMPILER_VERSION}. On Debian or Ubuntu: apt-get install g++-12, then CXX=g++-12.")
endif()

if(PROJECT_IS_TOP_LEVEL)
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
  endif()
  find_program(FULMEN_CCACHE ccache)
  if(FULMEN_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${FULMEN_CCACHE})
  endif()
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
endif()

if(NOT FULMEN_SANITIZE STREQUAL "")
  if(NOT FULMEN_SANITIZE MATCHES "^(address|undefined|thread|address,undefined)$")
    message(FATAL_ERROR "FULMEN_SANITIZE is '${FULMEN_SANITIZE}'; it can be address, undefined, both (address,undefined) or thread.")
  endif()
  add_compile_options(-fsanitize=${FULMEN_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${FULMEN_SANITIZE})
  if(FULMEN_SANITIZE STREQUAL "address,undefined")
    # A third of clang's time. Wrong addresses are found by AddressSanitizer when they are used, and by the preset ubsan.
    add_compile_options(-fno-sanitize=pointer-overflow,null,object-size)
  endif()
  # Programs under a sanitizer are several times as large; lld links them in a third of the time.
  find_program(FULMEN_LLD ld.lld)
  if(FULMEN_LLD)
    add_link_options(-fuse-ld=lld)
  endif()
endif()

# Compile options of all our own targets: fulmen_options(<target>).
function(fulmen_options target)
  target_compile_features(${target} PRIVATE cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF CXX_VISIBILITY_PRESET hidden)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic $<$<BOOL:${FULMEN_WERROR}>:-Werror> -ffunction-sections -fdata-sections
    $<$<CONFIG:Release>:-O2>
    $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)  # g++ 12 sees overlaps in std::string that are not there (its bug 105651)
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    target_link_options(${target} PRIVATE -Wl,--gc-sections)
  endif()
endfunction()

# fulmen_precompile(<target> <header>...): parses these headers once for all sources of the target. clang only, where it
# halves the time; g++, which gains little, compiles each file as it stands, and so finds what a file forgets to include.
function(fulmen_precompile target)
  if(FULMEN_PRECOMPILE AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_precompile_headers(${target} PRIVATE ${ARGN})
    target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")  # ccache asks for it
  endif()
endfunction()
