# The libraries the product stands on, as targets: vortex::lua (static), vortex::cjson (static), vortex::luv (static), vortex::uv.
#
# Lua is linked statically and unmodified, and its symbols are exported from the executable, so that C modules find them. Debian's
# packages: liblua5.4-dev, lua-cjson-dev, lua-luv-dev, libuv1-dev. Elsewhere set VORTEX_LUA_LIBRARY, VORTEX_CJSON_LIBRARY,
# VORTEX_LUV_LIBRARY and the include folders.
include_guard()
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

pkg_check_modules(LUA REQUIRED lua5.4 IMPORTED_TARGET)
pkg_check_modules(UV REQUIRED libuv>=1.42 IMPORTED_TARGET)

find_path(VORTEX_LUA_INCLUDE lua.h HINTS ${LUA_INCLUDE_DIRS} PATH_SUFFIXES lua5.4 lua-5.4 lua REQUIRED)
find_library(VORTEX_LUA_LIBRARY NAMES liblua5.4.a liblua-5.4.a liblua.a HINTS ${LUA_LIBRARY_DIRS} REQUIRED)
find_library(VORTEX_CJSON_LIBRARY NAMES liblua5.4-cjson.a libcjson-lua5.4.a REQUIRED)
find_library(VORTEX_LUV_LIBRARY NAMES liblua5.4-luv.a libluv.a libluv_a.a REQUIRED)
find_path(VORTEX_LUV_INCLUDE luv/luv.h PATH_SUFFIXES lua5.4 REQUIRED)

function(vortex_static_library name file)
  add_library(vortex_${name} STATIC IMPORTED GLOBAL)
  set_target_properties(vortex_${name} PROPERTIES IMPORTED_LOCATION ${file})
  add_library(vortex::${name} ALIAS vortex_${name})
endfunction()

vortex_static_library(lua ${VORTEX_LUA_LIBRARY})
target_include_directories(vortex_lua SYSTEM INTERFACE ${VORTEX_LUA_INCLUDE})
target_link_libraries(vortex_lua INTERFACE m ${CMAKE_DL_LIBS})

add_library(vortex_uv INTERFACE)
add_library(vortex::uv ALIAS vortex_uv)
target_link_libraries(vortex_uv INTERFACE PkgConfig::UV Threads::Threads)

vortex_static_library(cjson ${VORTEX_CJSON_LIBRARY})
target_link_libraries(vortex_cjson INTERFACE vortex::lua)

vortex_static_library(luv ${VORTEX_LUV_LIBRARY})
target_include_directories(vortex_luv SYSTEM INTERFACE ${VORTEX_LUV_INCLUDE})
target_link_libraries(vortex_luv INTERFACE vortex::lua vortex::uv)
