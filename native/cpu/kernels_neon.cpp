// Kernels for neon-dotprod; null when this file was not compiled for it.
#include "cpu/kernels.h"

#if defined(__ARM_FEATURE_DOTPROD)
#define CPU_ISA cpu_neon
#include "cpu/kernel_table.h"

namespace afterimage {

const KernelTable* neon_kernels() {
  static constexpr KernelTable table = cpu_neon::make_table("neon-dotprod");
  return &table;
}

}  // namespace afterimage
#else
namespace afterimage {
const KernelTable* neon_kernels() { return nullptr; }
}  // namespace afterimage
#endif
