// Kernels for the compiler's default target: every x86-64 and arm64 processor.
#define CPU_ISA cpu_portable
#include "cpu/kernel_table.h"

namespace afterimage {

const KernelTable* portable_kernels() {
  static constexpr KernelTable table = cpu_portable::make_table("portable");
  return &table;
}

}  // namespace afterimage
