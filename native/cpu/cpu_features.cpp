#include "cpu/cpu_features.h"

#include "cpu/kernels.h"

#if defined(__linux__) && defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace afterimage {

#if defined(__x86_64__)
// CPUID leaf 7, subleaf 1, EAX bit 4; compilers' built-ins know this feature only since GCC 14.
static bool has_avx_vnni() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax & (1u << 4));
}
#endif

bool cpu_supports(CpuIsa isa) {
  switch (isa) {
    case CpuIsa::portable:
      return true;
#if defined(__x86_64__)
    // The compiler's built-ins read CPUID and check that the operating system saves the wide registers.
    case CpuIsa::avx2:
      return avx2_kernels() && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case CpuIsa::avx2_vnni:
      return avx2_vnni_kernels() && cpu_supports(CpuIsa::avx2) && has_avx_vnni();
    case CpuIsa::avx512:
      return avx512_kernels() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512vnni");
    case CpuIsa::avx512_bf16:
      return avx512_bf16_kernels() && cpu_supports(CpuIsa::avx512) && __builtin_cpu_supports("avx512bf16");
#elif defined(__aarch64__) && defined(__linux__)
    case CpuIsa::neon:
      return neon_kernels() && (getauxval(AT_HWCAP) & HWCAP_ASIMDDP);
#elif defined(__aarch64__) && defined(__APPLE__)
    case CpuIsa::neon:  // every Apple silicon has the dot product
      return neon_kernels() != nullptr;
#endif
    default:
      return false;
  }
}

CpuIsa best_cpu_isa() {
#if defined(__x86_64__)
  if (__builtin_cpu_is("amd") && cpu_supports(CpuIsa::avx512_bf16)) return CpuIsa::avx512_bf16;
#endif
  for (CpuIsa isa : {CpuIsa::avx512, CpuIsa::avx2_vnni, CpuIsa::avx2, CpuIsa::neon})
    if (cpu_supports(isa)) return isa;
  return CpuIsa::portable;
}

const KernelTable& cpu_kernels(CpuIsa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case CpuIsa::avx2:
      return *avx2_kernels();
    case CpuIsa::avx2_vnni:
      return *avx2_vnni_kernels();
    case CpuIsa::avx512:
      return *avx512_kernels();
    case CpuIsa::avx512_bf16:
      return *avx512_bf16_kernels();
#elif defined(__aarch64__)
    case CpuIsa::neon:
      return *neon_kernels();
#endif
    default:
      return *portable_kernels();
  }
}

}  // namespace afterimage
