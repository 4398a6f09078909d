// Joins operators where the backend has one kernel for both.
#pragma once
#include <vector>

#include "graph/program.h"

namespace afterimage {

// The program's operators with Linear → Activation and Linear → Add (residual) joined into Linear, where the value
// between them has one reader and is not `kept`. A fused Linear rounds as the separate operators do, so results are
// bitwise the same. `kept[value]`: outputs and taps.
std::vector<OpNode> fuse(const Program& program, const std::vector<char>& kept);

}  // namespace afterimage
