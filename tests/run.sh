#!/bin/sh
# Installs what is missing, builds the release preset and passes all the tests.
set -eu
cd "$(dirname "$0")/.."
sh deploy/setup.sh --with-lint
cmake --preset release
cmake --build --preset release
ctest --preset release --no-tests=error
