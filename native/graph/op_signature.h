// The operands of every operator as a table: names, dtypes, weight uses and attributes, as ops.h states them.
#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "graph/backend.h"
#include "graph/ops.h"
#include "graph/tensor.h"

namespace afterimage {

struct OperandSpec {
  std::string_view label;
  DType dtype = DType::f32;
  bool optional = false;
  bool whole = false;  // rows are addressed by index, so their count is independent of the output's
};

struct WeightSpec {
  std::string_view label;
  uint32_t use = kUseVector;
  int rank = 1;
  bool optional = false;
};

struct AttrSpec {
  std::string_view name;
  bool required = false;
};

struct OpSignature {
  Op op;
  std::string_view name;  // as in the program's JSON
  bool row_local;         // row r of the output reads only row r of the operands that are not `whole`
  std::vector<OperandSpec> in;
  std::vector<WeightSpec> weights;
  std::vector<DType> out;
  std::vector<AttrSpec> attrs;
};

std::span<const OpSignature> op_signatures();
const OpSignature& signature(Op op);
const OpSignature* signature(std::string_view name);  // null where unknown

}  // namespace afterimage
