#!/bin/sh
# buf lint over the contract. buf comes from npm (its binary ships in the package), once per clone.
set -eu
version=1.74.0
folder=build/tools/buf-$version
case "$(uname -m)" in
  x86_64) package=@bufbuild/buf-linux-x64 ;;
  aarch64) package=@bufbuild/buf-linux-aarch64 ;;
  *) echo "no buf for $(uname -m)" >&2; exit 1 ;;
esac
if [ ! -x "$folder/package/bin/buf" ]; then
  mkdir -p "$folder"
  archive=$(cd "$folder" && npm pack --silent "$package@$version")
  tar -xzf "$folder/$archive" -C "$folder"
fi
"$folder/package/bin/buf" lint proto
echo "buf lint: clean"
