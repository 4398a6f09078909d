#!/bin/sh
# The native core and its tests for Windows, by Debian's MinGW, run under Wine as far as it is there. Tests that time
# the processor or run long are left to Windows.
#   apt-get install cmake ninja-build g++-mingw-w64-x86-64-posix wine64 && sh native/platform/windows.sh [TEST...]
set -eu
cd "$(dirname "$0")/../.."
[ $# -gt 0 ] || set -- weights_mapped_test weights_safetensors_test cache_disk_test cpu_attention_test cpu_thread_pool_test
cmake -S native -B build/win -G Ninja -DCMAKE_SYSTEM_NAME=Windows -DCMAKE_SYSTEM_PROCESSOR=AMD64 \
  -DCMAKE_CXX_COMPILER=x86_64-w64-mingw32-g++-posix "-DNODE_ADDON_API_DIR=$PWD/node_modules/node-addon-api" \
  "-DNODE_API_HEADERS_DIR=$PWD/node_modules/node-api-headers/include" >/dev/null
cmake --build build/win --parallel 2 --target afterimage_addon "$@"
wine=$(command -v wine64 || command -v /usr/lib/wine/wine64) || {
  echo 'built; there is no wine64 here to run the tests' >&2
  exit 0
}
export WINEDEBUG=-all WINEPREFIX="$PWD/build/win/prefix"
for test; do
  printf '%s: ' "$test"
  "$wine" "build/win/$test.exe" </dev/null
done
