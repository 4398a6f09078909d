#!/bin/sh
# npm run -s bench:metal > bench/metal-roofline.md
# Builds the addon on the emulated Metal backend with kernels that count, and runs the count. A few minutes.
# What is proved of kernels while they compute serves the run that computes nothing.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build/metal-traffic
mkdir -p "$build"
core=$root/build/libafterimage_core.a  # of npm install
[ ! -f "$root/build/CMakeCache.txt" ] || cmake --build "$root/build" -j2 --target afterimage_core >&2
[ -f "$core" ] || core=
cmake -S "$root/native" -B "$build" -DCMAKE_CXX_COMPILER="${CLANG:-clang++-19}" -DAFTERIMAGE_METAL=emulated \
  -DAFTERIMAGE_METAL_TRAFFIC=ON -DAFTERIMAGE_TESTS=OFF -DAFTERIMAGE_CORE="$core" -DNODE_ADDON_API_DIR="$root/node_modules/node-addon-api" \
  -DNODE_API_HEADERS_DIR="$root/node_modules/node-api-headers/include" >&2
cmake --build "$build" -j2 --target afterimage_addon >&2
cd "$root"
export XDG_CACHE_HOME="$build/cache"
AFTERIMAGE_ADDON="$build/Release/afterimage.node" node --import tsx bench/metal-roofline.ts
