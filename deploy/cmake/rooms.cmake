# One CMake target per room.
#
# A room's headers are reachable only through the room's own include root, which holds a link to
# the room's folder and nothing else. A source file that includes a header of a room which its
# target does not link therefore does not compile.

add_library(homolog_options INTERFACE)
# restrict: g++ 12 sees an overlap in "x" + std::string that is none (GCC bug 105651).
target_compile_options(homolog_options INTERFACE
  -Wall -Wextra -Werror -Wno-psabi -fno-omit-frame-pointer
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
if(HOMOLOG_SANITIZE)
  target_compile_options(homolog_options INTERFACE -fsanitize=${HOMOLOG_SANITIZE}
                                                   -fno-sanitize-recover=undefined)
  target_link_options(homolog_options INTERFACE -fsanitize=${HOMOLOG_SANITIZE})
  if(HOMOLOG_SANITIZE MATCHES thread)
    # protobuf's headers lay out maps otherwise under this sanitizer than the installed library does.
    target_compile_options(homolog_options INTERFACE -U__SANITIZE_THREAD__)
  endif()
endif()

# homolog_pch(NAME HEADERS... LINK libs...): a precompiled header that rooms reuse by name.
function(homolog_pch name)
  cmake_parse_arguments(ARG "" "" "HEADERS;LINK" ${ARGN})
  file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/pch/${name}.cc CONTENT "")
  add_library(${name} STATIC ${CMAKE_BINARY_DIR}/pch/${name}.cc)
  target_link_libraries(${name} PRIVATE homolog_options ${ARG_LINK})
  target_precompile_headers(${name} PRIVATE ${ARG_HEADERS})
endfunction()

# homolog_room(NAME SOURCES... LINK targets... [PCH name]): the static library homolog_NAME made
# of the current folder.
function(homolog_room name)
  cmake_parse_arguments(ARG "" "PCH" "SOURCES;LINK" ${ARGN})
  set(target homolog_${name})
  file(RELATIVE_PATH folder ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  set(root ${CMAKE_BINARY_DIR}/rooms/${name})
  cmake_path(GET folder PARENT_PATH parent)
  file(MAKE_DIRECTORY ${root}/${parent})
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${root}/${folder} SYMBOLIC)
  add_library(${target} STATIC ${ARG_SOURCES})
  target_include_directories(${target} PUBLIC ${root})
  target_link_libraries(${target} PRIVATE homolog_options ${ARG_LINK})
  if(ARG_PCH)
    target_precompile_headers(${target} REUSE_FROM ${ARG_PCH})
  endif()
endfunction()

# homolog_binary(NAME SOURCES... LINK targets... [PCH name]): an executable in bin/.
function(homolog_binary name)
  cmake_parse_arguments(ARG "" "PCH" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE homolog_options ${ARG_LINK})
  if(ARG_PCH)
    # Executables would get -fPIE, and the header was compiled with the libraries' -fPIC.
    target_compile_options(${name} PRIVATE -fPIC)
    target_precompile_headers(${name} REUSE_FROM ${ARG_PCH})
  endif()
endfunction()

# homolog_uses_regex(SOURCES...): under the sanitizers GCC 12 takes members of std::regex for
# uninitialized (GCC bug 105562).
function(homolog_uses_regex)
  set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS -Wno-maybe-uninitialized)
endfunction()
