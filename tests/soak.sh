#!/bin/sh
# Loads homologd for HOMOLOG_SOAK_SECONDS (600) with everything that clients ask for and watches its
# memory. Fails where the last fifth of the time needs more than 10 % + 64 MiB beyond what it needed
# after warming up (the second fifth), or where the server is gone. HOMOLOG_BINARIES: folder of the
# binaries (build/release/bin).
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
while kill -0 "$asking" 2>/dev/null && [ -r "/proc/$server/status" ]; do
  rss=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$server/status" 2>/dev/null || true)
  [ -z "$rss" ] || echo "$(($(date +%s) - start)) $rss $(ls "/proc/$server/fd" 2>/dev/null | wc -l)"
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
python3 - "$folder/samples" <<'PYTHON' || status=$?
import sys

samples = [tuple(map(int, line.split())) for line in open(sys.argv[1])]
if len(samples) < 10:
    sys.exit(f"soak.sh: {len(samples)} samples of the server's memory; needs 10 or more: soak longer")
fifth = len(samples) // 5
rss = [kib / 1024 for _, kib, _ in samples]
warm, last = (sum(part) / len(part) for part in (rss[fifth:2 * fifth], rss[-fifth:]))
times = [seconds / 60 for seconds, _, _ in samples[fifth:]]
middle_time, middle = sum(times) / len(times), sum(rss[fifth:]) / len(times)
slope = (sum((t - middle_time) * (r - middle) for t, r in zip(times, rss[fifth:])) /
         sum((t - middle_time) ** 2 for t in times))
files = [count for _, _, count in samples]
print(f"RSS in MiB: after warm-up {warm:.0f}, maximum {max(rss):.0f}, last fifth {last:.0f}, "
      f"slope {slope:+.2f} a minute")
print(f"open files: after warm-up {files[fifth]}, maximum {max(files)}, last {files[-1]}")
limit = 1.1 * warm + 64
if last > limit:
    sys.exit(f"soak.sh: memory grows: the last fifth took {last:.0f} MiB; must be at most "
             f"{limit:.0f} MiB")
PYTHON
[ "$alive" = yes ] && [ "$loaded" -eq 0 ] || status=1
exit "$status"
