#include "bench/peaks.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <thread>
#include <vector>

#include "cpu/aligned_bytes.h"
#include "cpu/cpu_features.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace afterimage {
namespace {

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }
double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Seconds until every thread has run body(thread).
template <class Body>
double timed(int threads, Body body) {
  const double start = threads == 1 ? processor_seconds() : wall_seconds();
  std::vector<std::thread> pool;
  for (int t = 1; t < threads; ++t) pool.emplace_back([&, t] { body(t); });
  body(0);
  for (std::thread& thread : pool) thread.join();
  return (threads == 1 ? processor_seconds() : wall_seconds()) - start;
}

volatile long long sink;

double read_bandwidth(int threads) {
  const size_t bytes = size_t{768} << 20, words = bytes / 8;
  AlignedBytes memory(bytes);
  auto* data = reinterpret_cast<long long*>(memory.data());
  for (size_t i = 0; i < words; i += 8) data[i] = 1;
  double best = 0;
  for (int repeat = 0; repeat < 8; ++repeat) {
    const double s = timed(threads, [&](int t) {
      const size_t first = words / static_cast<size_t>(threads) * static_cast<size_t>(t),
                   count = words / static_cast<size_t>(threads);
      long long sums[8] = {};
      for (size_t i = first; i + 8 <= first + count; i += 8)
        for (size_t k = 0; k < 8; ++k) sums[k] += data[i + k];
      sink = sums[0] + sums[1] + sums[2] + sums[3] + sums[4] + sums[5] + sums[6] + sums[7];
    });
    best = std::max(best, 1e-9 * static_cast<double>(bytes) / s);
  }
  return best;
}

#if defined(__x86_64__)
constexpr int kLoops = 1'000'000, kChains = 16;

// `kLoops` steps of `kChains` independent chains of one instruction.
#define AFTERIMAGE_CHAINS(name, features, type, zero, step)  \
  __attribute__((target(features))) void name() {            \
    type acc[kChains], x = zero;                             \
    for (auto& a : acc) a = zero;                            \
    for (int i = 0; i < kLoops; ++i) {                       \
      _Pragma("GCC unroll 16") for (auto& a : acc) a = step; \
      asm volatile("" : "+v"(x));                            \
    }                                                        \
    type total = acc[0];                                     \
    for (auto& a : acc) asm volatile("" : "+v"(a));          \
    asm volatile("" : "+v"(total));                          \
  }
AFTERIMAGE_CHAINS(bf16_dots, "avx512f,avx512bf16", __m512, _mm512_setzero_ps(),
                  _mm512_dpbf16_ps(a, (__m512bh)x, (__m512bh)x))
AFTERIMAGE_CHAINS(byte_dots, "avx512f,avx512vnni", __m512i, _mm512_setzero_si512(), _mm512_dpbusd_epi32(a, x, x))
AFTERIMAGE_CHAINS(wide_fmas, "avx512f", __m512, _mm512_setzero_ps(), _mm512_fmadd_ps(a, x, x))
AFTERIMAGE_CHAINS(fmas, "avx2,fma", __m256, _mm256_setzero_ps(), _mm256_fmadd_ps(a, x, x))
#undef AFTERIMAGE_CHAINS

double rate(int threads, double operations, void (*chains)()) {
  double best = 0;
  for (int repeat = 0; repeat < 12; ++repeat)
    best = std::max(best, 1e-9 * operations * threads / timed(threads, [&](int) { chains(); }));
  return best;
}

// Products of whole tiles (cpu/amx.h) into four sums by turns.
constexpr int kTileLoops = 50'000;
struct alignas(64) TileShapes {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
#define AFTERIMAGE_TILES(name, dot)                                                                                 \
  void name() {                                                                                                     \
    const TileShapes shapes;                                                                                        \
    asm volatile("ldtilecfg %0" ::"m"(shapes));                                                                     \
    for (int i = 0; i < kTileLoops; ++i)                                                                            \
      asm volatile(dot " %tmm7, %tmm6, %tmm0\n\t" dot " %tmm7, %tmm6, %tmm1\n\t" dot " %tmm7, %tmm6, %tmm2\n\t" dot \
                       " %tmm7, %tmm6, %tmm3");                                                                     \
    asm volatile("tilerelease");                                                                                    \
  }
AFTERIMAGE_TILES(byte_tiles, "tdpbsud")
AFTERIMAGE_TILES(bf16_tiles, "tdpbf16ps")
#undef AFTERIMAGE_TILES
#endif

}  // namespace

Peaks measure_peaks(int threads) {
  Peaks peaks;
  peaks.read = read_bandwidth(threads);
#if defined(__x86_64__)
  const auto floats = [&](double operations, void (*chains)()) {
    peaks.floats = std::max(peaks.floats, rate(threads, operations, chains));
  };
  constexpr double kVectors = double{kLoops} * kChains, kTiles = double{kTileLoops} * 4 * 16 * 16 * 2;
  if (__builtin_cpu_supports("fma")) floats(16 * kVectors, fmas);
  if (__builtin_cpu_supports("avx512f")) floats(32 * kVectors, wide_fmas);
  if (__builtin_cpu_supports("avx512bf16")) floats(64 * kVectors, bf16_dots);
  if (__builtin_cpu_supports("avx512vnni")) peaks.integers = rate(threads, 128 * kVectors, byte_dots);
  if (cpu_supports(CpuIsa::amx)) {
    floats(32 * kTiles, bf16_tiles);
    peaks.integers = rate(threads, 64 * kTiles, byte_tiles);
  }
#endif
  return peaks;
}

}  // namespace afterimage
