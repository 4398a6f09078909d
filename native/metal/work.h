// What a dispatch costs, estimated for the slowest GPU that is served (an M1 with 8 cores), and how much of it may go
// to the device at once. macOS kills work that keeps the screen waiting, and after a few kills takes none any more.
#pragma once
#include <algorithm>
#include <cstdint>

#include "graph/backend.h"

namespace afterimage::metal {

constexpr double kMostDispatchFlop = 20e9;
constexpr double kMostSeconds = 0.05;  // of a dispatch, and of a command buffer that holds more than one

// Operations a second: of simdgroup matrices, of a dot product per lane (where matrices are not), of attention
// over the cache without matrices and with them, of convolutions. A third to a half of what is expected of the kernels.
constexpr double kMatrixRate = 0.8e12, kDotRate = 0.2e12, kAttentionRate = 0.13e12, kMatrixAttentionRate = 0.5e12,
                 kConvolutionRate = 0.1e12;
constexpr double kBytesPerSecond = 40e9;
constexpr double kDispatchSeconds = 5e-6;

struct Work {
  double flop = 0, rate = kDotRate, bytes = 0;
  double seconds() const { return std::max(flop / rate, bytes / kBytesPerSecond) + kDispatchSeconds; }
};

// Tests lower it: then small work is divided too.
inline double most_dispatch_flop = kMostDispatchFlop;

// The most operations that one dispatch at this rate may have.
inline double most_flop(double rate) { return std::min(most_dispatch_flop, kMostSeconds * rate); }

// Of an operator in one dispatch, a Linear or ExpertLinear on matrices or not. Attention and convolutions divide their
// work themselves: nothing is said of them.
Work work_of(const Dispatch& dispatch, bool matrices);

// How many of `count` equal units, together `flop` operations at `rate`, one dispatch may take: at least one, and a
// multiple of `tile` where it is more.
int64_t units_at_once(int64_t count, double flop, double rate, int64_t tile);

}  // namespace afterimage::metal
