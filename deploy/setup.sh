#!/bin/sh
# Installs what building, testing and running Homolog needs on Debian 12: Debian packages only.
# Does nothing where everything is there. Run as root, or with sudo installed.
set -eu

PACKAGES="
  build-essential g++ cmake ninja-build ccache pkg-config git ca-certificates
  libtorch-dev libopenblas0-openmp libblas-dev libdnnl-dev ocl-icd-opencl-dev
  libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
  libabsl-dev librocksdb-dev prometheus-cpp-dev libcpp-httplib-dev
  libgtest-dev libgmock-dev libbenchmark-dev
  nlohmann-json3-dev libcli11-dev libgoogle-glog-dev libssl-dev libisal-dev libzstd-dev libxxhash-dev
  libpcre2-dev libicu-dev zlib1g-dev
  python3 wordnet-base npm
"
# Only what is absent is installed. With npm the build fetches the report's plotting library;
# --with-lint adds what the tests' linters and fuzzers need, the browser that draws a report, and the
# checker of metrics.
for option in "$@"; do
  case "$option" in
    --with-lint) PACKAGES="$PACKAGES clang-format clang libclang-rt-14-dev chromium prometheus" ;;
    *) echo "setup.sh: unknown option '$option'; must be --with-lint" >&2; exit 2 ;;
  esac
done

missing=""
for package in $PACKAGES; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" ||
    missing="$missing $package"
done
# A machine may bring node and npm without Debian's package of that name.
if command -v npm >/dev/null 2>&1; then missing=$(echo "$missing" | sed 's/ npm\b//'); fi
[ -n "$(echo "$missing" | tr -d ' ')" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then sudo=""; else sudo="sudo"; fi
echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086  # a list of words
$sudo apt-get install -y -qq --no-install-recommends $missing

# Of prometheus only its checker, promtool, is needed, which Debian packs with the daemon; that is
# started, and at every boot again. One that was there before is somebody's and stays as it is.
case "$missing " in
  *" prometheus "*)
    if [ -d /run/systemd/system ]; then
      $sudo systemctl disable --now --quiet prometheus
    else
      $sudo update-rc.d prometheus disable
      $sudo service prometheus stop >/dev/null || true  # where nothing runs
    fi ;;
esac
