# vortex_room(NAME [PURE] LIBRARIES…): the static library `vortex_NAME` of all sources in src/NAME.
#
# LIBRARIES are the rooms it may include (tests/lint holds the same table against the sources) and outside libraries. PURE marks a room
# that reaches no clock, no randomness, no file and no socket; tests/lint checks the undefined symbols of its archive.
include_guard()

function(vortex_room name)
  cmake_parse_arguments(ROOM "PURE" "" "" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.c)
  add_library(vortex_${name} STATIC ${sources})
  target_link_libraries(vortex_${name} PUBLIC vortex::options)
  foreach(library ${ROOM_UNPARSED_ARGUMENTS})
    if(library MATCHES "::")
      target_link_libraries(vortex_${name} PUBLIC ${library})
    else()
      target_link_libraries(vortex_${name} PUBLIC vortex_${library})
    endif()
  endforeach()
  if(ROOM_PURE)
    set_property(GLOBAL APPEND PROPERTY VORTEX_PURE_ROOMS vortex_${name})
  endif()
endfunction()
