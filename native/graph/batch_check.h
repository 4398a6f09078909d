// Checks the rows of a decoder run against the program, the KV blocks and the states.
#pragma once
#include "graph/backend.h"
#include "graph/program.h"

namespace afterimage {

// `rows`: of the program's sequence operators in this run. Throws INVALID_ARGUMENT.
void check_batch(const Program& program, const RowBatch* batch, int64_t rows);

}  // namespace afterimage
