// What ops.h says about rows and widths of every operator, as checks.
#pragma once
#include <string>

#include "graph/program.h"

namespace afterimage {

// Checks one operator whose operands are all present and of the right dtype. Throws INVALID_PROGRAM with both shapes.
void verify_shapes(const Program& program, const OpNode& op, const std::string& place);

}  // namespace afterimage
