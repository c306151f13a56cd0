# Install rules: the binary, the editor annotations, the manual page, the examples.
include_guard()
include(GNUInstallDirs)

install(TARGETS vortex-lua RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/lua/vortex DESTINATION ${CMAKE_INSTALL_DATADIR}/vortex-lua/lua)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/examples/ DESTINATION ${CMAKE_INSTALL_DATADIR}/vortex-lua/examples)
install(FILES ${CMAKE_SOURCE_DIR}/docs/vortex-lua.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
