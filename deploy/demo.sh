#!/bin/sh
# From text to universal neurons on one machine: builds Homolog, trains three small language models on
# the glosses of WordNet, serves their checkpoints, and studies which neurons they have in common, when
# these came up and whether they matter. Ends with the path of a report.
#
# Usage: sh deploy/demo.sh [--serve]
#   --serve  leave the server running at the end and say how to talk to it
# Environment: HOMOLOG_DEMO_PORT (7431; the next one is the admin port)
set -eu
cd "$(dirname "$0")/.."

serve=false
for option in "$@"; do
  case "$option" in
    --serve) serve=true ;;
    *) echo "demo.sh: unknown option '$option'; must be --serve" >&2; exit 2 ;;
  esac
done

port=${HOMOLOG_DEMO_PORT:-7431}
bin=build/release/bin
demo=build/demo
steps=0,100,200,400,600,800
last=800
tokens=131072
export HOMOLOG_SERVER="localhost:$port"

heading() { printf '\n== %s\n' "$1"; }

heading "Install what is missing"
sh deploy/setup.sh
echo "done"

heading "Build"
mkdir -p build
cmake --preset release > build/configure.log 2>&1 || { cat build/configure.log >&2; exit 1; }
cmake --build --preset release --target homologd homolog homolog-train

mkdir -p "$demo"
heading "Prepare the corpus"
[ -s "$demo/corpus.txt" ] || sh deploy/wordnet_corpus.sh "$demo/corpus.txt"
# homolog-train never samples the last 5%: what the models are asked about is new to them.
[ -s "$demo/held-out.txt" ] || tail -c 440000 "$demo/corpus.txt" > "$demo/held-out.txt"
echo "$(wc -l < "$demo/corpus.txt") definitions, $(wc -c < "$demo/corpus.txt") bytes: $demo/corpus.txt"

heading "Train three models from different seeds"
"$bin/homolog-train" --preset demo --text "$demo/corpus.txt" --out "$demo/models" --model seed \
  --seeds 0,1,2

heading "Start the server"
"$bin/homologd" --repository "$demo/models" --data "$demo/data" --listen "127.0.0.1:$port" \
  --admin "127.0.0.1:$((port + 1))" > "$demo/homologd.log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
until "$bin/homolog" checkpoints list > /dev/null 2>&1; do
  kill -0 "$server" 2>/dev/null || { echo "homologd stopped:" >&2; cat "$demo/homologd.log" >&2; exit 1; }
  sleep 0.1
done
echo "homologd answers on $HOMOLOG_SERVER; its log is $demo/homologd.log"

heading "Upload text that the models have not seen"
"$bin/homolog" datasets create glosses --text "$demo/held-out.txt" --checkpoint "seed0/$last" \
  --max-tokens "$tokens"
# Ablations run a model once for every set of neurons: fewer tokens do.
"$bin/homolog" datasets create few-glosses --text "$demo/held-out.txt" --checkpoint "seed0/$last" \
  --max-tokens 16384 > /dev/null

# The whole study: every model against the two others at every step, persistence, families, lineages
# and ablations.
study() {
  "$bin/homolog" -o json studies run --models seed0,seed1,seed2 --steps "$steps" \
    --dataset glosses --ablation-dataset few-glosses --rotations 5 --same-index
}
# A field of the study's JSON, by Python's notation.
field() { python3 -c "import json, sys; print(json.load(open(sys.argv[1]))$1)" "$demo/study.json"; }

heading "Run the study: correlate, follow and ablate the neurons of all models at all steps"
study > "$demo/study.json"
name=$(field '["name"]')
"$bin/homolog" studies show "$name"

correlation=$(python3 -c 'import json, sys
for part in json.load(open(sys.argv[1]))["parts"]["correlations"]:
    if (part["model"], part["step"], part["pairing"]) == ("models/seed0", sys.argv[2], "PAIRING_BEST"):
        print(part["correlation"])' "$demo/study.json" "$last")
heading "The most universal neurons of seed0/$last"
"$bin/homolog" neurons query --correlation "$correlation" --page-size 10

heading "The first of them, and where it came from"
best=$("$bin/homolog" -o csv neurons query --correlation "$correlation" --page-size 1 2> /dev/null |
  tail -n 1)
layer=$(echo "$best" | cut -d, -f1) neuron=$(echo "$best" | cut -d, -f2)
"$bin/homolog" neurons show "$correlation" "$layer" "$neuron"
echo
"$bin/homolog" studies lineage "$name" "seed0/$last" "$layer" "$neuron"

heading "Neurons that all models have in common"
"$bin/homolog" studies families "$name" --page-size 5

heading "Ask the same again"
start=$(date +%s%N)
study > /dev/null
echo "answered from the store in $((($(date +%s%N) - start) / 1000000)) ms"

heading "Write the report"
"$bin/homolog" studies report "$name" --out "$demo/report"

if $serve; then
  trap - EXIT INT TERM
  heading "The server is left running (process $server)"
  cat <<EOF
export HOMOLOG_SERVER=$HOMOLOG_SERVER
$bin/homolog checkpoints list
$bin/homolog neurons query --correlation $correlation --threshold 0.4
curl http://localhost:$((port + 1))/metrics
kill $server    # stops it
EOF
fi
