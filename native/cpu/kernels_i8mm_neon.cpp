// Kernels for NEON with products of small matrices (Apple from the M2 on, Neoverse V1 and N2): two rows times two
// outputs in one instruction, over eight bytes or four bf16.
#include "cpu/kernels.h"

#if defined(__ARM_FEATURE_DOTPROD) && defined(__ARM_FEATURE_MATMUL_INT8) && \
    defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
#define CPU_ISA cpu_neon_i8mm
#define CPU_BF16_DOT
#define CPU_MMLA
#include "cpu/kernel_table.h"

namespace afterimage {

const KernelTable* neon_i8mm_kernels() {
  static constexpr KernelTable table = cpu_neon_i8mm::make_table("neon-i8mm-bf16");
  return &table;
}

}  // namespace afterimage
#else
namespace afterimage {
const KernelTable* neon_i8mm_kernels() { return nullptr; }
}  // namespace afterimage
#endif
