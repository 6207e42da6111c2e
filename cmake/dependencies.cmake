# fulmen_require(<package> <target> <debian package> <what for>)
# Finds a CMake package, unless the surrounding project has its target already, or stops with the command that installs it.
macro(fulmen_require package target debian purpose)
  if(NOT TARGET ${target})
    find_package(${package} QUIET ${ARGN})
    if(NOT TARGET ${target})
      message(FATAL_ERROR
        "Fulmen needs ${package} (${purpose}), and CMake did not find it.\n"
        "  Debian, Ubuntu:  sudo apt-get install ${debian}\n"
        "  Installed elsewhere:  cmake -D${package}_ROOT=<its prefix> ...")
    endif()
  endif()
endmacro()

if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  fulmen_require(OpenMP OpenMP::OpenMP_CXX "libomp-dev" "threads of the CPU kernels, with clang" COMPONENTS CXX)
else()
  fulmen_require(OpenMP OpenMP::OpenMP_CXX "g++" "threads of the CPU kernels" COMPONENTS CXX)
endif()
fulmen_require(Threads Threads::Threads "libc6-dev" "data loader workers")
fulmen_require(nlohmann_json nlohmann_json::nlohmann_json "nlohmann-json3-dev" "metadata of checkpoints")

if(FULMEN_IMAGES)
  fulmen_require(ZLIB ZLIB::ZLIB "zlib1g-dev" "gzip files; without: -DFULMEN_IMAGES=OFF")
  fulmen_require(PNG PNG::PNG "libpng-dev" "PNG pictures; without: -DFULMEN_IMAGES=OFF")
  fulmen_require(JPEG JPEG::JPEG "libjpeg-dev" "JPEG pictures; without: -DFULMEN_IMAGES=OFF")
endif()

# The include directories alone: what a static library uses inside must not become a dependency of its users.
function(fulmen_use_headers target package_target)
  target_include_directories(${target} SYSTEM PRIVATE
    $<TARGET_PROPERTY:${package_target},INTERFACE_INCLUDE_DIRECTORIES>)
endfunction()
