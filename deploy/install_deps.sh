#!/bin/sh
# Installs the Debian packages that build and tests need, those that are missing. Needs root or sudo.
set -eu
tools="g++ cmake ninja-build pkg-config python3 clang-format"
engine="libdnnl-dev ocl-icd-opencl-dev libhwy-dev nlohmann-json3-dev libprotobuf-dev protobuf-compiler"
stages="libicu-dev libzstd-dev libsoxr-dev libtomlplusplus-dev"
server="libboost-dev libwebsocketpp-dev prometheus-cpp-dev"
program="libcli11-dev libspdlog-dev libsndfile1-dev zlib1g-dev"
tests="libgtest-dev libgmock-dev"

missing=""
for p in $tools $engine $stages $server $program $tests; do
  dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q "ok installed" || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
sudo=""
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "install_deps: needs root or sudo to install:$missing" >&2; exit 1; }
  sudo=sudo
fi
echo "installing:$missing"
$sudo apt-get update -qq
# Not from the environment: sudo may drop it.
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
