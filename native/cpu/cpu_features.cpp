#include "cpu/cpu_features.h"

#include <cstdint>

#include "cpu/kernels.h"

#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#if defined(__linux__) && defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#if defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace afterimage {

#if defined(__x86_64__)
namespace {

struct CpuidAnswer {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

CpuidAnswer cpuid(unsigned leaf, unsigned subleaf = 0) {
  CpuidAnswer a;
  __get_cpuid_count(leaf, subleaf, &a.eax, &a.ebx, &a.ecx, &a.edx);
  return a;
}

// Registers that the operating system saves: bits of XCR0.
uint64_t saved_registers() {
  constexpr unsigned kOsxsave = 1u << 27;
  if (!(cpuid(1).ecx & kOsxsave)) return 0;
  uint32_t low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

// Linux saves matrix tiles only for processes that ask: https://docs.kernel.org/arch/x86/xstate.html. Refused where a
// thread's signal stack has no room for them.
bool tiles_granted() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

// By CPUID and not by the compilers' built-ins, which do not know every feature, and are not there with every linker:
// Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2A, CPUID.
struct Features {
  bool avx2 = false, avx_vnni = false, avx512 = false, avx512_bf16 = false, amx = false, amd = false;

  Features() {
    constexpr uint64_t kYmm = 0x6, kZmm = 0xe6, kTiles = 0x60000;
    constexpr unsigned kFma = 1u << 12, kF16c = 1u << 29, kAvx2 = 1u << 5;
    constexpr unsigned kAvx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;  // F, DQ, BW, VL
    constexpr unsigned kAmx = 1u << 22 | 1u << 24 | 1u << 25;                // BF16, TILE, INT8
    constexpr unsigned kVnni = 1u << 11, kAvxVnni = 1u << 4, kBf16 = 1u << 5, kAuthenticAmd = 0x68747541;
    const uint64_t saved = saved_registers();
    const CpuidAnswer basic = cpuid(1), seven = cpuid(7), more = cpuid(7, 1);
    const bool ymm = (saved & kYmm) == kYmm, zmm = (saved & kZmm) == kZmm;
    avx2 = ymm && (basic.ecx & kFma) && (basic.ecx & kF16c) && (seven.ebx & kAvx2);
    avx_vnni = avx2 && (more.eax & kAvxVnni);
    avx512 = avx2 && zmm && (seven.ebx & kAvx512) == kAvx512 && (seven.ecx & kVnni);
    avx512_bf16 = avx512 && (more.eax & kBf16);
    amx = avx512 && (saved & kTiles) == kTiles && (seven.edx & kAmx) == kAmx && tiles_granted();
    amd = cpuid(0).ebx == kAuthenticAmd;
  }
};

const Features& features() {
  static const Features known;
  return known;
}

}  // namespace
#elif defined(__aarch64__) && defined(__linux__)
namespace {

bool has_dot_product() { return getauxval(AT_HWCAP) & HWCAP_ASIMDDP; }

// By number, since older kernels' headers have no names for them:
// https://docs.kernel.org/arch/arm64/elf_hwcaps.html
bool has_matrix_products() {
  constexpr unsigned long kI8mm = 1ul << 13, kBf16 = 1ul << 14;
  return (getauxval(AT_HWCAP2) & (kI8mm | kBf16)) == (kI8mm | kBf16);
}

}  // namespace
#elif defined(__aarch64__) && defined(__APPLE__)
namespace {

bool has_dot_product() { return true; }  // every Apple silicon

bool has(const char* feature) {
  int value = 0;
  size_t size = sizeof value;
  return sysctlbyname(feature, &value, &size, nullptr, 0) == 0 && value == 1;
}

// From the M2 on; an older macOS, which does not know these names, has the M1's.
bool has_matrix_products() { return has("hw.optional.arm.FEAT_I8MM") && has("hw.optional.arm.FEAT_BF16"); }

}  // namespace
#endif

bool cpu_supports(CpuIsa isa) {
  switch (isa) {
    case CpuIsa::portable:
      return true;
#if defined(__x86_64__)
    case CpuIsa::avx2:
      return avx2_kernels() && features().avx2;
    case CpuIsa::avx2_vnni:
      return avx2_vnni_kernels() && features().avx_vnni;
    case CpuIsa::avx512:
      return avx512_kernels() && features().avx512;
    case CpuIsa::avx512_bf16:
      return avx512_bf16_kernels() && features().avx512_bf16;
    case CpuIsa::amx:
      return amx_kernels() && features().amx;
#elif defined(__aarch64__) && (defined(__linux__) || defined(__APPLE__))
    case CpuIsa::neon:
      return neon_kernels() && has_dot_product();
    case CpuIsa::neon_i8mm:
      return neon_i8mm_kernels() && has_dot_product() && has_matrix_products();
#endif
    default:
      return false;
  }
}

CpuIsa best_cpu_isa() {
#if defined(__x86_64__)
  if (features().amd && cpu_supports(CpuIsa::avx512_bf16)) return CpuIsa::avx512_bf16;
#endif
  for (CpuIsa isa : {CpuIsa::amx, CpuIsa::avx512, CpuIsa::avx2_vnni, CpuIsa::avx2, CpuIsa::neon_i8mm, CpuIsa::neon})
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
    case CpuIsa::amx:
      return *amx_kernels();
#elif defined(__aarch64__)
    case CpuIsa::neon:
      return *neon_kernels();
    case CpuIsa::neon_i8mm:
      return *neon_i8mm_kernels();
#endif
    default:
      return *portable_kernels();
  }
}

}  // namespace afterimage
