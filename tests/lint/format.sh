#!/bin/sh
# Every C++ file is as clang-format would write it.
set -eu
git ls-files '*.cc' '*.h' | xargs clang-format --dry-run --Werror
echo "clang-format: clean"
