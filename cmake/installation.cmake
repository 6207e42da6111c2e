# cmake --install: headers under include/fulmen, lib/libfulmen.a, a CMake package and a pkg-config file.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
