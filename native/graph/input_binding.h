// Checks what a caller binds to a program's inputs before anything runs.
#pragma once
#include <map>
#include <span>
#include <string>
#include <vector>

#include "graph/executor.h"

namespace afterimage {

// By value: its binding, null where the value is no input. Throws INVALID_ARGUMENT where an input is missing, unknown,
// bound twice or of the wrong width.
std::vector<const Binding*> match_bindings(const Program& program, std::span<const Binding> bindings);

// Row counts by symbol; every input must agree.
std::map<std::string, int64_t> symbol_counts(const Program& program, const std::vector<const Binding*>& bindings);

// An operand that addresses rows. Kernels trust it, so what is bound to it is checked.
struct IndexOperand {
  size_t op = 0, operand = 0;
};
std::vector<IndexOperand> index_operands(const Program& program);

// `rows`: by value. Throws INVALID_ARGUMENT naming the input, the position and the range.
void check_indices(const Program& program, const std::vector<IndexOperand>& operands, const std::vector<int64_t>& rows,
                   const std::vector<const Binding*>& bindings);

}  // namespace afterimage
