// What a model will take, from its programs and the headers of its files: known before a weight is read.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "graph/backend.h"
#include "session/model_options.h"

namespace afterimage {

// An image of a prompt: row counts of the vision program by symbol, and the longest chunk in which it is read.
struct ImageShape {
  std::map<std::string, int64_t> symbols;
  int64_t chunk = 0;  // rows; at least those of an ordinary chunk are counted
};

struct ImageScratch {
  size_t vision = 0, decoder = 0;
};

struct MemoryNeed {
  size_t weight_bytes = 0;  // of both programs, as the backend keeps them
  size_t block_bytes = 0;   // KV of 64 positions
  size_t state_bytes = 0;   // recurrent state of one sequence
  std::vector<ImageScratch> images;
};

// What the backend takes for a weight that is described without its bytes.
using WeightBytes = std::function<size_t(const WeightSource& described, uint32_t uses)>;

// Throws INVALID_CHECKPOINT, INVALID_PROGRAM, IO_FAILED, INVALID_ARGUMENT.
MemoryNeed predict_memory(const EngineOptions& options, const ModelSource& source, const WeightBytes& weight_bytes,
                          const std::vector<ImageShape>& images);

}  // namespace afterimage
