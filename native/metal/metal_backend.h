// The GPU backend: native/graph/backend.h on Metal. Plain C++; nothing outside native/metal includes Metal headers.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "graph/backend.h"

namespace afterimage {

struct MetalOptions {
  // Runs operators whose kernel is unavailable or failed its self-test. Without it such an operator is BACKEND_FAILED.
  std::unique_ptr<Backend> cpu;
  // One sentence per kernel that was replaced.
  std::function<void(const std::string&)> warn;
  // Compares every kernel with `cpu` before the first use and replaces those that differ. Takes about a second.
  bool self_test = false;
};

// True where this build can open a Metal device and the machine has one.
bool metal_available();

// Throws BACKEND_FAILED where there is no usable device.
std::unique_ptr<Backend> make_metal_backend(MetalOptions options);

// Device, families, limits, every kernel's self-test verdict and measured bandwidth, as JSON. `reference` is the CPU
// backend. Where there is no device: {"available": false, "reason": …}.
std::string metal_report(std::unique_ptr<Backend> reference);

}  // namespace afterimage
