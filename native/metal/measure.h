// What kernels cost on this device, by its own clock where it has one. For the report: nothing depends on it. `width`:
// of the matrices that are timed, 4096 for those of a real decoder.
#pragma once
#include <string>
#include <vector>

#include "metal/backend_parts.h"

namespace afterimage::metal {

// Bytes per second of a large copy (read and written bytes); 0 where it could not be measured.
double measure_bandwidth(MetalBackend& backend, int width);

struct Measured {
  std::string name;
  double seconds = 0;  // on the device, median of five
  double bytes = 0;    // weights or keys and values that it cannot do without
  double flop = 0;
};
// A matrix times one row and times many, in 4 bits and as half floats; attention of one row and of many; of a picture.
std::vector<Measured> measure_operators(MetalBackend& backend, int width);

struct Latency {
  double dispatch = 0;    // seconds of one more empty dispatch in a command buffer
  double round_trip = 0;  // seconds from committing an empty command buffer to its end
};
Latency measure_latency(MetalBackend& backend);

// Seconds on the clock of the wall that one row times all matrices of a mapped file of about `bytes` takes, after each
// of these pauses in seconds: every page of it is read. Returns why it could not be measured.
std::string measure_after_pauses(MetalBackend& backend, const std::vector<double>& pauses, size_t bytes, int width,
                                 std::vector<double>& seconds);

// In which order a simdgroup matrix adds eight products: "ascending", "descending", "pairs", "exact" or "other".
std::string matrix_order(MetalBackend& backend);

// The longest of these dispatches, in seconds, that the device lets live; the first that it kills ends the test.
double largest_dispatch(MetalBackend& backend, const std::vector<double>& seconds, int width);

}  // namespace afterimage::metal
