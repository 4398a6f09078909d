// The GPU backend: native/graph/backend.h on Metal. Plain C++; nothing outside native/metal includes Metal headers.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "graph/backend.h"

namespace afterimage {

struct MetalOptions {
  // Runs operators whose kernel is unavailable or failed its self-test. Without it such an operator is BACKEND_FAILED.
  std::unique_ptr<Backend> cpu;
  // One sentence per kernel that was replaced.
  std::function<void(const std::string&)> warn;
  // Compares the kernels that a program uses with `cpu` before it first runs and replaces those that differ. Takes a
  // few seconds, once for each device, system and kernel.
  bool self_test = false;
  // File that keeps what was found; empty: nothing is kept.
  std::string verdicts;
  // Seconds from one request that memory stays resident to the next, and for how long after the last run they go on.
  double residency_interval = 0.5, residency_lasts = 180;
  // Rows, widths and so on of the tests; the last reaches several rounds of every loop.
  std::vector<int> test_sizes = {1, 33, 640};
};

struct ReportOptions {
  bool compile_only = false;
  int width = 4096;  // of the matrices that are timed
  std::vector<int> sizes = {1, 33, 640};
  std::vector<double> pauses = {0, 1, 3};                  // seconds
  size_t resident_bytes = size_t{1} << 30;                 // of weights that are there meanwhile, as a model's would be
  std::vector<double> dispatches = {0.05, 0.1, 0.2, 0.4};  // seconds, the longest that are tried
  // Hears the report as far as it is known before each step, whose name is its `stage`: one of them may not end.
  std::function<void(const std::string&)> reached;
};

// True where this build can open a Metal device and the machine has one.
bool metal_available();

// Throws BACKEND_FAILED where there is no usable device.
std::unique_ptr<Backend> make_metal_backend(MetalOptions options);

// As JSON: the device and its limits, what compiling took, every kernel's verdict against `reference` (the CPU backend;
// null to compile only) and against itself, and measured speeds. `stage` says how far it came: open, compiled, stopped
// (with a reason), measured.
std::string metal_report(std::unique_ptr<Backend> reference, const ReportOptions& options = {});

}  // namespace afterimage
