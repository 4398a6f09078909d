// Kernels for avx2; null when this file was not compiled for it.
#include "cpu/kernels.h"

#if defined(__AVX2__) && defined(__FMA__)
#define CPU_ISA cpu_avx2
#include "cpu/kernel_table.h"

namespace afterimage {

const KernelTable* avx2_kernels() {
  static constexpr KernelTable table = cpu_avx2::make_table("avx2");
  return &table;
}

}  // namespace afterimage
#else
namespace afterimage {
const KernelTable* avx2_kernels() { return nullptr; }
}  // namespace afterimage
#endif
