#!/bin/sh
# A room includes only the libraries that it may use (docs/architecture.md). That rooms include only
# the rooms below them is the build's to check: see deploy/cmake/rooms.cmake.
set -eu
status=0
# forbid LIBRARY PATTERN FOLDER...: no file of the folders includes what matches the pattern.
forbid() {
  library=$1 pattern=$2
  shift 2
  found=$(git grep -nE "#include [<\"]($pattern)" -- "$@" || true)
  [ -z "$found" ] || { echo "$library may not be used here:"; echo "$found"; status=1; }
}
forbid libtorch '(torch|ATen|c10)/' common server/tensorfiles server/store server/datasets server/metrics \
  client
forbid gRPC '(grpc|grpcpp)/|homolog/v1/.*\.grpc\.pb\.h' common server/engine server/analysis server/store \
  server/datasets server/tensorfiles server/checkpoints server/results server/operations \
  server/metrics server/training
forbid RocksDB 'rocksdb/' common client server/engine server/analysis server/tensorfiles server/checkpoints \
  server/datasets server/metrics server/results server/operations server/rpc server/training server/app
forbid 'the contract' 'homolog/' server/engine server/analysis server/tensorfiles server/checkpoints \
  server/training
forbid 'the contract' 'homolog/' client/report
forbid 'the server' 'server/' common client
[ "$status" -eq 0 ] && echo "rooms: clean"
exit "$status"
