// What this processor offers, and which kernels run on it.
#pragma once
namespace afterimage {

struct KernelTable;

enum class CpuIsa : int {
  portable = 0,
  avx2 = 1,
  avx512 = 2,
  neon = 3,
  avx512_bf16 = 4,
  avx2_vnni = 5,
  amx = 6,
  neon_i8mm = 7
};

// The instruction set's kernels are built in and this processor (and its operating system) can run them.
bool cpu_supports(CpuIsa isa);
CpuIsa best_cpu_isa();
// `isa` must be supported.
const KernelTable& cpu_kernels(CpuIsa isa);

}  // namespace afterimage
