# cmake --install: headers under include/fulmen, lib/libfulmen.a, a CMake package and a pkg-config file.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/fulmen)

install(TARGETS fulmen fulmen_torch EXPORT fulmen_targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT fulmen_targets NAMESPACE fulmen:: FILE fulmen_targets.cmake DESTINATION ${package_dir})

foreach(room tensor autograd nn optim data trainer)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${room} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/fulmen
    FILES_MATCHING PATTERN "*.h" PATTERN "*.inc")
endforeach()
file(GLOB kernel_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/*.h)
install(FILES ${kernel_headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/fulmen/kernels)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/compat DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/fulmen FILES_MATCHING PATTERN "*.h")
install(FILES ${PROJECT_SOURCE_DIR}/fulmen.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/fulmen)

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/fulmen-config.cmake.in ${PROJECT_BINARY_DIR}/fulmen-config.cmake
  INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/fulmen-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/fulmen-config.cmake ${PROJECT_BINARY_DIR}/fulmen-config-version.cmake
  DESTINATION ${package_dir})

if(FULMEN_CUDA)
  set(FULMEN_CUDA_LIBRARIES " -L${CUDAToolkit_LIBRARY_DIR} -lcudart_static -ldl -lrt")
endif()
if(FULMEN_IMAGES)
  set(FULMEN_IMAGE_LIBRARIES " -Wl,--push-state,--as-needed -lpng -ljpeg -lz -Wl,--pop-state")
endif()
# pkg-config names paths relative to its own file, so that the installed tree can be moved.
file(RELATIVE_PATH FULMEN_PREFIX_FROM_PC /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" FULMEN_PREFIX_FROM_PC "${FULMEN_PREFIX_FROM_PC}")
configure_file(${CMAKE_CURRENT_LIST_DIR}/fulmen.pc.in ${PROJECT_BINARY_DIR}/fulmen.pc @ONLY)
configure_file(${CMAKE_CURRENT_LIST_DIR}/fulmen-torch.pc.in ${PROJECT_BINARY_DIR}/fulmen-torch.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/fulmen.pc ${PROJECT_BINARY_DIR}/fulmen-torch.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
