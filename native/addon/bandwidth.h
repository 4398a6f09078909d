// Measured DRAM read bandwidth: the bound of decode, taken before and after each benchmark because it drifts.
#pragma once

namespace afterimage::addon {

// GB/s of `threads` threads reading 1 GiB once each, best of three passes. Takes about a second and 1 GiB of memory.
double memory_bandwidth(int threads);

}  // namespace afterimage::addon
