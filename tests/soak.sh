#!/bin/sh
# Loads homologd for HOMOLOG_SOAK_SECONDS (600) with everything that clients ask for and watches its
# memory and open files. Fails where the last fifth of the time needs more than 10 % + 64 MiB, or more
# than 16 files, beyond what it needed after warming up (the second fifth), where a call failed, or
# where the server is gone. HOMOLOG_BINARIES: folder of the binaries (build/release/bin).
set -eu
cd "$(dirname "$0")/.."
binaries=${HOMOLOG_BINARIES:-build/release/bin}
seconds=${HOMOLOG_SOAK_SECONDS:-600}
for binary in homologd homolog homolog-train; do
  [ -x "$binaries/$binary" ] || {
    echo "soak.sh: there is no $binaries/$binary; build it, or set HOMOLOG_BINARIES" >&2; exit 2; }
done

folder=$(mktemp -d "${TMPDIR:-/tmp}/homolog-soak-XXXXXX")
server=""
stop() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  [ -z "$server" ] || wait "$server" 2>/dev/null || true
  rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT TERM

echo "== Three small models and a text"
i=0
while [ $i -lt 4000 ]; do
  echo "definition $i: of or relating to number $((i * 7919 % 1000)), or to what is like it"
  i=$((i + 1))
done >"$folder/text"
"$binaries/homolog-train" --text "$folder/text" --out "$folder/models" --model seed --seeds 0,1,2 \
  --steps 30 --checkpoints 30 --layers 2 --d-model 64 --heads 2 --context 64 --batch 8 \
  >"$folder/train.log" 2>&1 || { cat "$folder/train.log"; exit 1; }

echo "== The server"
"$binaries/homologd" --repository "$folder/models" --data "$folder/data" --listen=127.0.0.1:0 \
  --admin=127.0.0.1:0 --device=cpu --memory-budget=1GiB >"$folder/server.log" 2>&1 &
server=$!
port=""
while [ -z "$port" ]; do
  kill -0 "$server" 2>/dev/null || { cat "$folder/server.log"; exit 1; }
  sleep 0.2
  port=$(sed -n 's/.*serves on port \([0-9]*\),.*/\1/p' "$folder/server.log")
done
admin_port=$(sed -n 's/.*serves on port [0-9]*, admin port \([0-9]*\),.*/\1/p' "$folder/server.log")
# One line of what RocksDB holds in memory: bytes of memtables, of the block cache.
rocksdb_memory() {
  python3 - "$admin_port" <<'PYTHON'
import sys, urllib.request

url = f"http://127.0.0.1:{sys.argv[1]}/metrics"
lines = urllib.request.urlopen(url, timeout=10).read().decode().splitlines()
values = dict(line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
print(*(int(float(values[f"homolog_rocksdb_{name}_bytes"])) for name in ("memtable", "block_cache")))
PYTHON
}
homolog() { "$binaries/homolog" --server "localhost:$port" "$@"; }
homolog datasets create text --text "$folder/text" --checkpoint seed0/30 --max-tokens 5000 \
  >/dev/null
homolog correlations compute --reference seed0/30 --partners seed1/30,seed2/30 --dataset text \
  >/dev/null 2>&1

# Two loads: clients that wait for the device would soon be all that there are of one.
echo "== Load: 8 clients that ask and 4 that compute, $seconds s"
homolog bench load --clients 8 --duration "$seconds" --seed 1 \
  --mix query=8,list=4,get=4,neuron=4,table=2,watch=2 >"$folder/asking" 2>&1 &
asking=$!
homolog bench load --clients 4 --duration "$seconds" --seed 2 --mix compute=2,extract=1 \
  >"$folder/computing" 2>&1 &
computing=$!
start=$(date +%s)
sample=0
while kill -0 "$asking" 2>/dev/null && [ -r "/proc/$server/status" ]; do
  rss=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$server/status" 2>/dev/null || true)
  [ -z "$rss" ] || echo "$(($(date +%s) - start)) $rss $(ls "/proc/$server/fd" 2>/dev/null | wc -l)"
  # As often as a Prometheus asks.
  [ $((sample % 15)) -ne 0 ] || rocksdb_memory >>"$folder/rocksdb" 2>/dev/null || true
  sample=$((sample + 1))
  sleep 1
done >"$folder/samples"
loaded=0
wait "$asking" || loaded=$?
wait "$computing" || loaded=$?
cat "$folder/asking"
echo
cat "$folder/computing"
echo
alive=yes
kill -0 "$server" 2>/dev/null || alive=no
[ "$alive" = yes ] || { echo "the server is gone:"; tail -n 40 "$folder/server.log"; }
data=$(du -sm "$folder/data" | cut -f1)
operations=$(homolog operations list -o csv 2>/dev/null | wc -l || true)
echo "data folder $data MiB, $((operations > 0 ? operations - 1 : 0)) operations"

status=0
python3 - "$folder/samples" "$folder/rocksdb" <<'PYTHON' || status=$?
import os, sys

# Of a line through the points, by least squares.
def slope(times, values):
    time, value = sum(times) / len(times), sum(values) / len(values)
    return (sum((t - time) * (v - value) for t, v in zip(times, values)) /
            sum((t - time) ** 2 for t in times))

samples = [tuple(map(int, line.split())) for line in open(sys.argv[1])]
if len(samples) < 10:
    sys.exit(f"soak.sh: {len(samples)} samples of the server's memory; needs 10 or more: soak longer")
fifth = len(samples) // 5
rss = [kib / 1024 for _, kib, _ in samples]
warm, last = (sum(part) / len(part) for part in (rss[fifth:2 * fifth], rss[-fifth:]))
minutes = [seconds / 60 for seconds, _, _ in samples]
half = len(samples) // 2
print(f"RSS in MiB: after warm-up {warm:.0f}, maximum {max(rss):.0f}, last fifth {last:.0f}, slope "
      f"{slope(minutes[fifth:], rss[fifth:]):+.2f} a minute, in the second half "
      f"{slope(minutes[half:], rss[half:]):+.2f}")
files = [count for _, _, count in samples]
warm_files, last_files = max(files[fifth:2 * fifth]), max(files[-fifth:])
print(f"open files: after warm-up at most {warm_files}, maximum {max(files)}, last fifth at most "
      f"{last_files}")
# What of the memory is RocksDB's: it fills its buffers and its cache, and then stays.
rocksdb = []
if os.path.exists(sys.argv[2]):
    rocksdb = [tuple(int(n) / 2**20 for n in line.split()) for line in open(sys.argv[2])]
for column, name in enumerate(("memtables", "block cache")):
    values = [line[column] for line in rocksdb]
    if values:
        print(f"RocksDB's {name} in MiB: at first {values[0]:.1f}, half-way "
              f"{values[len(values) // 2]:.1f}, last {values[-1]:.1f}, maximum {max(values):.1f}")
    else:
        print(f"RocksDB's {name}: the admin port told nothing")

problems = []
limit = 1.1 * warm + 64
if last > limit:
    problems.append(f"memory grows: the last fifth took {last:.0f} MiB; must be at most {limit:.0f} MiB")
if last_files > warm_files + 16:
    problems.append(f"open files grow: {last_files} in the last fifth; must be at most "
                    f"{warm_files + 16}")
for problem in problems:
    print(f"soak.sh: {problem}", file=sys.stderr)
sys.exit(1 if problems else 0)
PYTHON
[ "$alive" = yes ] && [ "$loaded" -eq 0 ] || status=1
exit "$status"
