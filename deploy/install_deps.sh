#!/bin/sh
# Installs the Debian packages that a build needs, if one of them is missing. Needs root or sudo.
set -eu
packages="build-essential cmake ninja-build pkg-config python3 git
  libdnnl-dev ocl-icd-opencl-dev libhwy-dev libwebsocketpp-dev libboost-dev libboost-system-dev libssl-dev zlib1g-dev
  libsndfile1-dev libsoxr-dev libsentencepiece-dev libicu-dev libzstd-dev nlohmann-json3-dev
  libtomlplusplus-dev libcli11-dev libspdlog-dev libgtest-dev libgmock-dev libbenchmark-dev prometheus-cpp-dev"
missing=""
for p in $packages; do
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
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing
