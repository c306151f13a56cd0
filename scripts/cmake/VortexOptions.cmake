# Build options, and the interface target `vortex::options` that every target of ours links: flags belong to targets, not to the project.
include_guard()

option(VORTEX_WERROR "Treat warnings as errors" OFF)
option(VORTEX_FUZZ "Build the libFuzzer targets (clang only)" OFF)
set(VORTEX_SANITIZE "" CACHE STRING "Sanitizers to build with, e.g. address,undefined")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

# Asserts stay on in every build: take CMake's -DNDEBUG out of the optimised ones.
foreach(type RELEASE RELWITHDEBINFO MINSIZEREL)
  string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_${type} "${CMAKE_C_FLAGS_${type}}")
endforeach()

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)

add_library(vortex_options INTERFACE)
add_library(vortex::options ALIAS vortex_options)
target_include_directories(vortex_options INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_definitions(vortex_options INTERFACE _GNU_SOURCE)
target_compile_options(vortex_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wpointer-arith -Wwrite-strings
  -Wundef -Wvla -Wformat=2 -Wno-format-nonliteral $<$<BOOL:${VORTEX_WERROR}>:-Werror> -fno-strict-aliasing -fno-omit-frame-pointer)
# Code for a fixed address is a few per cent faster, and the simulator needs it anyway (see room lab in the top CMakeLists.txt). Sanitizers
# choose for themselves.
if(CMAKE_SYSTEM_NAME STREQUAL Linux AND NOT VORTEX_SANITIZE)
  target_compile_options(vortex_options INTERFACE -fno-pie)
  target_link_options(vortex_options INTERFACE -no-pie)
endif()
if(VORTEX_SANITIZE)
  target_compile_options(vortex_options INTERFACE -fsanitize=${VORTEX_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(vortex_options INTERFACE -fsanitize=${VORTEX_SANITIZE})
endif()
if(VORTEX_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "VORTEX_FUZZ needs clang: the fuzzers are libFuzzer targets")
  endif()
  target_compile_options(vortex_options INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(vortex_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
