// measure_peaks THREADS: what this machine can do and whose kernels run on it, as JSON. A process of its own, so that
// its buffer is in nobody's peak memory.
#include <cstdio>
#include <cstdlib>

#include "bench/peaks.h"
#include "cpu/cpu_features.h"
#include "cpu/kernels.h"

int main(int argc, char** argv) {
  const int threads = argc == 2 ? std::atoi(argv[1]) : 0;
  if (threads < 1) {
    std::fprintf(stderr, "Expected a number of threads of at least 1.\n");
    return 2;
  }
  const afterimage::Peaks peaks = afterimage::measure_peaks(threads);
  std::printf("{\"kernels\": \"%s\", \"read\": %.17g, \"floats\": %.17g, \"integers\": %.17g}\n",
              afterimage::cpu_kernels(afterimage::best_cpu_isa()).name, peaks.read, peaks.floats, peaks.integers);
  return 0;
}
