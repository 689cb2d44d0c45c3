# What `cmake --install` adds to the layers: the CMake package, pkg-config, packs and licence.
include(CMakePackageConfigHelpers)

set(ANTIPHON_MODELS_DIR ${CMAKE_INSTALL_DATADIR}/antiphon/models)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/antiphon)

install(EXPORT antiphon NAMESPACE antiphon:: FILE antiphonTargets.cmake DESTINATION ${package_dir})
configure_package_config_file(cmake/antiphonConfig.cmake.in ${PROJECT_BINARY_DIR}/antiphonConfig.cmake
  INSTALL_DESTINATION ${package_dir} PATH_VARS ANTIPHON_MODELS_DIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/antiphonConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
configure_file(cmake/antiphon.pc.in ${PROJECT_BINARY_DIR}/antiphon.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/antiphonConfig.cmake ${PROJECT_BINARY_DIR}/antiphonConfigVersion.cmake
  DESTINATION ${package_dir})
install(FILES ${PROJECT_BINARY_DIR}/antiphon.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(DIRECTORY models/ DESTINATION ${ANTIPHON_MODELS_DIR})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
