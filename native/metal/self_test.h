// Compares kernels with a reference backend, and states what was found.
#pragma once
#include <string>
#include <vector>

#include "metal/backend_parts.h"

namespace afterimage::metal {

struct Verdict {
  std::string kernel;
  int cases = 0;
  double distance = 0;  // largest over the cases, of |a − b| / (1 + max |b|)
  std::string failure;  // empty: passed
};

// One verdict per kernel. A kernel that differs, or that the device refuses, is disabled on `backend`.
std::vector<Verdict> self_test(MetalBackend& backend, Backend& reference, std::span<const int> sizes);

// Bytes per second of a large copy on the device (read and written bytes); 0 where it could not be measured.
double measure_bandwidth(MetalBackend& backend);

}  // namespace afterimage::metal
