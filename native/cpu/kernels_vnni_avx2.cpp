// Kernels for AVX2 with AVX-VNNI (Intel from Alder Lake on, AMD from Zen 5): the byte dot without AVX-512.
#include "cpu/kernels.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__AVXVNNI__)
#define CPU_ISA cpu_avx2_vnni
#include "cpu/kernel_table.h"

namespace afterimage {

const KernelTable* avx2_vnni_kernels() {
  static constexpr KernelTable table = cpu_avx2_vnni::make_table("avx2-vnni");
  return &table;
}

}  // namespace afterimage
#else
namespace afterimage {
const KernelTable* avx2_vnni_kernels() { return nullptr; }
}  // namespace afterimage
#endif
