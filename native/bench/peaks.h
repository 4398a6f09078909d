// What this machine can do, measured: memory read bandwidth and the rate of its dot instructions, all threads together.
#pragma once

namespace afterimage {

struct Peaks {
  double read = 0;      // GB/s, sequential, larger than the last-level cache
  double floats = 0;    // GFLOP/s of the fastest float dot (bf16 where the processor has it, else FMA)
  double integers = 0;  // Gop/s of the int8 dot; 0 where there is none
};

Peaks measure_peaks(int threads);

}  // namespace afterimage
