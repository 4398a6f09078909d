// Compares kernels with a reference backend, and states what was found.
#pragma once
#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "metal/backend_parts.h"

namespace afterimage::metal {

// Why a test failed; without text it did not. `lasting`: the kernel will fail again, on this device and system; what
// memory, the disk or a command that failed had a part in may be otherwise at the next start.
struct Failure {
  std::string text;
  bool lasting = true;
};

struct Verdict {
  std::string kernel;
  int cases = 0;
  int row_cases = 0;    // of them, of a row among other rows
  double distance = 0;  // largest over the cases, of |a − b| / (1 + max |b|)
  Failure failure;
};

// One verdict for each of `kernels` that has a case; null: for all. A kernel that differs from the reference, whose
// rows depend on other rows, or that the device refuses, is disabled on `backend`. `begun` hears of each before its
// first case.
std::vector<Verdict> self_test(MetalBackend& backend, Backend& reference, std::span<const int> sizes,
                               const std::set<std::string>* kernels,
                               const std::function<void(const std::string&)>& begun = {});

// None where the device reads a mapped file of more than 1 MiB where it lies.
Failure probe_in_place(MetalBackend& backend);

}  // namespace afterimage::metal
