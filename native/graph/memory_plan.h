// Where every value lies in scratch for given row counts. Values share bytes when their lifetimes do not meet;
// row-local stretches of operators run in tiles of rows, and what lives only inside a stretch has room for one tile.
// No output of an operator shares bytes with its inputs.
#pragma once
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "graph/program.h"

namespace afterimage {

// Operators [first, last) that run together, `tile` rows at a time (all rows where tile == rows).
struct Stretch {
  size_t first = 0, last = 0;
  int64_t rows = 0, tile = 0;
};

struct MemoryPlan {
  std::vector<int64_t> rows;   // by value
  std::vector<int32_t> root;   // by value: the value whose bytes it views (Regroup), itself otherwise
  std::vector<size_t> offset;  // by root; bytes into scratch
  std::vector<char> placed;    // by root: has bytes of scratch
  std::vector<char> tiled;     // by value: holds the rows of the current tile only
  std::vector<char> needed;    // by operator: its result or its effect on the cache is wanted and has rows
  std::vector<Stretch> stretches;
  size_t bytes = 0;
};

struct PlanRequest {
  const Program& program;
  const std::vector<OpNode>& ops;     // fused
  const std::vector<char>& kept;      // by value: outputs and taps, readable after the run
  const std::vector<char>& external;  // by value: inputs in memory of their own
  const std::map<std::string, int64_t>& counts;
  int64_t row_tile;
};

// Throws INVALID_ARGUMENT (counts) or OUT_OF_MEMORY (a value beyond 4 TiB).
MemoryPlan plan_memory(const PlanRequest& request);

}  // namespace afterimage
