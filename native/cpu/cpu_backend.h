// The CPU backend: kernels of the best instruction set, a thread pool of its own, weights packed into panels.
#pragma once
#include <memory>

#include "graph/backend.h"

namespace afterimage {

struct CpuOptions {
  int threads = 0;  // 0: one per physical core
  int isa = -1;     // a CpuIsa of cpu_features.h; −1: the best that runs here
};

// Throws INVALID_ARGUMENT when `isa` does not run on this processor.
std::unique_ptr<Backend> make_cpu_backend(const CpuOptions& options);

// What a weight described without its bytes (recipe_source.h) takes once this backend has prepared it.
size_t cpu_weight_bytes(const WeightSource& described, uint32_t uses, Precision precision);

}  // namespace afterimage
