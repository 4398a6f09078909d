#!/bin/sh
# Everything about the Metal backend that runs without a Mac: lint, strict address spaces, arrays in registers, the
# emulator's own faults, kernels under three schedules, row invariance, host tests, AddressSanitizer with UBSan,
# ThreadSanitizer; then the addon on the emulated device: the starter model's tokens and golden checkpoints (our own, and
# those in $AFTERIMAGE_GOLDENS).
#   native/metal/rig/run-tests.sh [--build | --full] [build folder]      --build: lints and builds only; --full: then the
#   session on the picture of most patches, the starter's tokens and all golden checkpoints where matrices do not compile,
#   and where their rows depend on others, too, and ThreadSanitizer on the failures of a device below an engine, with a
#   core of their own (more than ten minutes of processor time more). Needs clang 17+, gobjc, libgnustep-base-dev, cmake, node
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
only_build= full=
if [ "${1:-}" = --build ]; then only_build=yes; shift; fi
if [ "${1:-}" = --full ]; then full=yes; shift; fi
build=${1:-$root/build/metal}
compiler=${CLANG:-$(command -v clang++-19 || command -v clang++ || true)}
if [ -z "$compiler" ]; then
  echo "The Metal tests need clang: apt-get install clang-19 libclang-rt-19-dev gobjc libgnustep-base-dev" >&2
  exit 1
fi
cd "$root"
step() { echo "== $*"; }

step lint
node --import tsx "$here/lint.ts" native/metal/*.metal native/metal/*_params.h native/metal/common.h native/metal/kv_element.h native/metal/quantized_format.h native/metal/float_dot.h native/metal/matrix_tile.h native/metal/expert_pairs.h native/metal/row_squares.h native/metal/rope_element.h \
  native/graph/op_kinds.h
node --import tsx "$here/lint.ts" --expect "$here/faults/style.metal" "$here/faults/common.h"
node --import tsx "$here/budget/operators.ts" --check

step build
mkdir -p "$build"
core=$root/build/libafterimage_core.a  # of npm install
[ ! -f "$root/build/CMakeCache.txt" ] || cmake --build "$root/build" -j2 --target afterimage_core > "$build.log" 2>&1 ||
  { tail -50 "$build.log" >&2; exit 1; }
[ -f "$core" ] || core=
generator=  # make takes one target after the other, most of which are one file
[ -f "$build/CMakeCache.txt" ] || ! command -v ninja >/dev/null || generator="-G Ninja"
cmake -S native -B "$build" $generator -DCMAKE_CXX_COMPILER="$compiler" -DAFTERIMAGE_METAL=emulated -DAFTERIMAGE_METAL_TESTS=ON \
  -DAFTERIMAGE_TESTS=OFF -DAFTERIMAGE_CORE="$core" -DNODE_ADDON_API_DIR="$root/node_modules/node-addon-api" \
  -DNODE_API_HEADERS_DIR="$root/node_modules/node-api-headers/include" > "$build.log" 2>&1 ||
  { cat "$build.log" >&2; exit 1; }
targets=""
for variant in "" _address _thread; do targets="$targets metal_rig$variant metal_kernels$variant"; done
[ -z "$full" ] || targets="$targets metal_failures_thread"
# The last three: strict address spaces, nothing in memory of a thread, older headers.
cmake --build "$build" -j2 --target $targets metal_bits metal_budget metal_proof metal_bits_address \
  metal_host_address metal_encoding_address metal_failures_address metal_encoding_thread afterimage_addon \
  metal_strict metal_stack metal_headers_14 > "$build.log" 2>&1 || { tail -50 "$build.log" >&2; exit 1; }
[ -z "$only_build" ] || exit 0

quiet() {
  log=./$(echo "$*" | tr -cs 'a-z0-9_\n' -).log
  "$@" > "$log" 2>&1 || { cat "$log" >&2; echo "failed: $*" >&2; return 1; }
  echo "$* · $(tail -1 "$log")"
}
emulated() {
  cd "$build/metal_tests"
  quiet ./metal_rig &&
    quiet ./metal_kernels --schedule fifo &&
    quiet ./metal_kernels --schedule lifo --random-limits --seed 2 &&
    quiet ./metal_kernels --schedule random --random-limits --seed 3 &&
    quiet ./metal_kernels --sizes 1,33 --delay &&
    quiet ./metal_bits &&
    quiet ./metal_budget &&
    quiet ./metal_proof
}
sanitized() {
  cd "$build/metal_tests"
  # The core is not instrumented, so its vectors carry no annotations; GNUstep keeps its classes until the end.
  export ASAN_OPTIONS=detect_leaks=0:detect_container_overflow=0:detect_stack_use_after_return=0
  export TSAN_OPTIONS=detect_deadlocks=0  # of GNUstep's own locks
  quiet ./metal_rig_address &&
    quiet ./metal_kernels_address --schedule random &&
    quiet ./metal_bits_address --once &&
    quiet ./metal_host_address &&
    quiet ./metal_encoding_address &&
    quiet ./metal_failures_address &&
    quiet ./metal_rig_thread &&
    quiet ./metal_encoding_thread &&
    quiet ./metal_kernels_thread --sizes 1,33,65 &&
    { [ -z "$full" ] || quiet ./metal_failures_thread; }
}

export AFTERIMAGE_ADDON="$build/Release/afterimage.node"
# on_metal NAME SCRIPT…: nothing may have been left to the CPU.
on_metal() {
  log=$build/$1.log
  shift
  node --import tsx "$@" > "$log" 2>&1 && ! grep -q "is replaced by the CPU" "$log" ||
    { cat "$log" >&2; echo "failed: $*" >&2; return 1; }
  tail -1 "$log"
}
# without_matrices NAME WORDS FAMILY…: on a device where the kernels on simdgroup matrices fail, dot products take over, and
# WORDS say why; at least one FAMILY has experts. What is found out about that device is its own.
without_matrices() {
  name=$1 words=$2 folders=""
  shift 2
  for family; do folders="$folders test/goldens/checkpoints/$family"; done
  rm -rf "$build/verdicts-$name"
  XDG_CACHE_HOME=$build/verdicts-$name on_metal "goldens-$name" test/goldens/run.ts $folders --backend metal
  for kernel in linear_ expert_matrix_ attention_matrix_; do
    grep -q "kernel $kernel.* is replaced by a slower one: $words" "$build/goldens-$name.log" ||
      { echo "failed: $name: nothing says that a kernel $kernel… is replaced because $words" >&2; return 1; }
  done
}
# Golden checkpoints without matrices: the kernels do not compile; a row depends on its neighbours.
slower() {
  matrices=linear_matrix,experts_matrix,attention_matrix
  (export RIG_BROKEN_FAMILIES=$matrices; without_matrices off "program_source:" internvl_qwen3 paligemma qwen3_vl_moe)
  (export RIG_LEAKY_FAMILIES=$matrices; without_matrices probe "a row depends on the other rows" qwen2_5_vl-4bit qwen3_5_moe-mlx)
}
odd="" even=""
patches=test/goldens/checkpoints/deepseek_ocr2  # two thirds of the time of all: its image has 17,920 patches
for folder in test/goldens/checkpoints/*/cases ${AFTERIMAGE_GOLDENS:+"$AFTERIMAGE_GOLDENS"/*/cases}; do
  [ -n "$full" ] || [ "$folder" != "$patches/cases" ] || continue
  swap=$even even="$odd ${folder%/cases}" odd=$swap
done
step "emulator, the starter model's tokens, golden checkpoints; beside them AddressSanitizer with UBSan and ThreadSanitizer"
(sanitized && cd "$root" && on_metal goldens-1 test/goldens/run.ts $odd --backend metal) &
(emulated)
slower
(cd "$build" && on_metal doctor "$root/src/main.ts" doctor --metal --compile)  # every text, not those of a program alone
grep -q "kernels compile here; none was run" "$build/doctor.log" || { cat "$build/doctor.log" >&2; exit 1; }
on_metal starter test/goldens/starter-tokens.ts
[ -n "$full" ] || on_metal goldens-patches test/goldens/run.ts "$patches" --backend metal --stages
on_metal goldens-2 test/goldens/run.ts $even --backend metal
wait $!
if [ -n "$full" ]; then
  step "everything without matrices"
  for fault in BROKEN LEAKY; do
    export "RIG_${fault}_FAMILIES=linear_matrix,experts_matrix,attention_matrix" "XDG_CACHE_HOME=$build/verdicts-$fault"
    rm -rf "$XDG_CACHE_HOME"
    on_metal "starter-$fault" test/goldens/starter-tokens.ts
    on_metal "goldens-$fault" test/goldens/run.ts $odd $even --backend metal
    unset "RIG_${fault}_FAMILIES"
  done
fi
echo "metal: all passed"
