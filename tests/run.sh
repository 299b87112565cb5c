#!/bin/sh
# Installs what is missing, builds the release preset, passes all the tests, passes them again under
# the sanitizers of addresses and undefined behaviour, and fuzzes every parser for a minute
# (HOMOLOG_FUZZ_SECONDS for another time).
set -eu
cd "$(dirname "$0")/.."
sh deploy/setup.sh --with-lint
cmake --preset release
cmake --build --preset release
ctest --preset release --no-tests=error
cmake --preset asan-ubsan
cmake --build --preset asan-ubsan
ctest --preset asan-ubsan --no-tests=error
sh tests/fuzz/run.sh "${HOMOLOG_FUZZ_SECONDS:-60}"
