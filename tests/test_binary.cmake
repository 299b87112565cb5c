# How tests are compiled: without optimisation, since compiling them takes longer than running them,
# and with what most of them begin with precompiled, once for each set of libraries.
add_library(homolog_test_options INTERFACE)
target_compile_options(homolog_test_options INTERFACE -O0 -pthread)  # as all that links gRPC

# Undefined behaviour is looked for in what is tested: to look for it in the tests themselves takes half
# as long again to compile.
if(HOMOLOG_SANITIZE)
  target_compile_options(homolog_test_options INTERFACE -g0 -fno-sanitize=undefined)
endif()

# homolog_test_pch(NAME [HEADERS...] LINK libs...)
function(homolog_test_pch name)
  cmake_parse_arguments(ARG "" "" "HEADERS;LINK" ${ARGN})
  homolog_pch(${name}
    HEADERS <gmock/gmock.h> <gtest/gtest.h> <nlohmann/json.hpp> <algorithm> <filesystem> <functional>
            <memory> <string> <vector> ${ARG_HEADERS}
    LINK homolog_test_options GTest::gmock nlohmann_json::nlohmann_json ${ARG_LINK})
endfunction()
homolog_test_pch(homolog_pch_test LINK absl::status)
homolog_test_pch(homolog_pch_test_client HEADERS <client/cpp/connection.h>
                 LINK homolog_client_cpp homolog_proto)
homolog_test_pch(homolog_pch_test_torch HEADERS <ATen/ATen.h> LINK torch)
homolog_test_pch(homolog_pch_test_grpc HEADERS <client/cpp/connection.h> <grpcpp/grpcpp.h>
                 LINK homolog_client_cpp homolog_grpc_proto homolog_proto torch gRPC::grpc++)

# homolog_test_binary(NAME SOURCES... LINK targets... [PCH name]): PCH is homolog_pch_test unless
# said otherwise.
function(homolog_test_binary name)
  cmake_parse_arguments(ARG "" "PCH" "SOURCES;LINK" ${ARGN})
  if(NOT ARG_PCH)
    set(ARG_PCH homolog_pch_test)
  endif()
  homolog_binary(${name} SOURCES ${ARG_SOURCES} PCH ${ARG_PCH}
    LINK ${ARG_LINK} homolog_test_options GTest::gmock GTest::gtest_main)
endfunction()

# homolog_oracle(SOURCES...): sources of the current folder that compute at length, in plain loops.
# Optimised, and without the sanitizers, which would take ten times as long.
function(homolog_oracle)
  set(options -O2)
  if(HOMOLOG_SANITIZE)
    list(APPEND options -fno-sanitize=all)
  endif()
  set_source_files_properties(${ARGN} PROPERTIES SKIP_PRECOMPILE_HEADERS ON
                                                 COMPILE_OPTIONS "${options}")
endfunction()
