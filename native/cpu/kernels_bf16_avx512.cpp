// Kernels for AVX-512 with VNNI and the bf16 dot, where that dot is faster than FMA (AMD from Zen 4: nearly twice).
#include "cpu/kernels.h"

#if defined(__AVX512VNNI__) && defined(__AVX512BW__) && defined(__AVX512BF16__)
#define CPU_ISA cpu_avx512_bf16
#define CPU_BF16_DOT
#include "cpu/kernel_table.h"

namespace afterimage {

const KernelTable* avx512_bf16_kernels() {
  static constexpr KernelTable table = cpu_avx512_bf16::make_table("avx512-vnni-bf16");
  return &table;
}

}  // namespace afterimage
#else
namespace afterimage {
const KernelTable* avx512_bf16_kernels() { return nullptr; }
}  // namespace afterimage
#endif
