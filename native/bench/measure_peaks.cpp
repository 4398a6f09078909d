// measure_peaks THREADS: what this machine can do, as JSON. A process of its own, so that its buffer is in nobody's
// peak memory.
#include <cstdio>
#include <cstdlib>

#include "bench/peaks.h"

int main(int argc, char** argv) {
  const int threads = argc == 2 ? std::atoi(argv[1]) : 0;
  if (threads < 1) {
    std::fprintf(stderr, "Expected a number of threads of at least 1.\n");
    return 2;
  }
  const afterimage::Peaks peaks = afterimage::measure_peaks(threads);
  std::printf("{\"read\": %.17g, \"floats\": %.17g, \"integers\": %.17g}\n", peaks.read, peaks.floats, peaks.integers);
  return 0;
}
