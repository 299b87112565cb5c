#!/bin/sh
# Builds the fuzz targets with clang and runs each for so many seconds (60), two at a time.
# A crash leaves its input in build/fuzz/artifacts: mend what it shows, and put it into corpus/.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
cmake --preset fuzz
cmake --build --preset fuzz --target fuzzers
folder=build/fuzz
mkdir -p $folder/artifacts
run() {
  mkdir -p "$folder/corpus/$1"
  # Memory: what a megabyte of input may justify, and no more.
  "$folder/bin/fuzz_$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -malloc_limit_mb=512 -max_len=65536 -print_final_stats=1 \
    -artifact_prefix="$folder/artifacts/$1-" "$folder/corpus/$1" "tests/fuzz/corpus/$1" \
    >"$folder/$1.log" 2>&1 || { tail -n 40 "$folder/$1.log"; echo "fuzz_$1: FAILED"; return 1; }
  echo "fuzz_$1: $(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/$1.log") inputs, no crash"
}
status=0
set -- safetensors pickle torch_file tokenizer_json npy
while [ $# -gt 0 ]; do
  run "$1" & first=$!
  shift
  second=""
  if [ $# -gt 0 ]; then run "$1" & second=$!; shift; fi
  wait "$first" || status=1
  if [ -n "$second" ]; then wait "$second" || status=1; fi
done
exit "$status"
