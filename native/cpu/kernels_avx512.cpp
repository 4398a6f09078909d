// Kernels for avx512-vnni-bf16; null when this file was not compiled for it.
#include "cpu/kernels.h"

#if defined(__AVX512VNNI__) && defined(__AVX512BF16__) && defined(__AVX512BW__)
#define CPU_ISA cpu_avx512
#include "cpu/kernel_table.h"

namespace afterimage {

const KernelTable* avx512_kernels() {
  static constexpr KernelTable table = cpu_avx512::make_table("avx512-vnni-bf16");
  return &table;
}

}  // namespace afterimage
#else
namespace afterimage {
const KernelTable* avx512_kernels() { return nullptr; }
}  // namespace afterimage
#endif
