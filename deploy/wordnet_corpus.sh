#!/bin/sh
# Writes the glosses of WordNet, one definition a line, in an order that is random but always the same:
# 9 MB of English text for the demo, any part of which is like any other.
# Usage: wordnet_corpus.sh FILE
set -eu
[ $# -eq 1 ] || { echo "usage: wordnet_corpus.sh FILE" >&2; exit 2; }
source_dir=${WORDNET_DIR:-/usr/share/wordnet}
for part in noun verb adj adv; do
  [ -r "$source_dir/data.$part" ] || {
    echo "wordnet_corpus.sh: there is no $source_dir/data.$part; install wordnet-base" >&2
    exit 1
  }
  # The licence's lines begin with two spaces; behind the bar is the gloss.
  sed '/^  /d; s/^[^|]*| *//; s/ *$//' "$source_dir/data.$part"
done | shuf --random-source="$source_dir/data.noun" > "$1.partial"
mv "$1.partial" "$1"
