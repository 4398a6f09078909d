// A program as the builder emits it (src/graph/program.ts), read from JSON and verified: every index in range, every
// operator's operands present and of the right dtype, every width as its formula in ops.h demands, row counts
// symbolically equal, every value written once and before it is read, every weight's shape equal to its use.
// After `parse_program` nothing about shapes can fail at run time except a row count the caller binds wrongly.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "graph/kv_layout.h"
#include "graph/ops.h"
#include "graph/tensor.h"

namespace afterimage {

// symbol empty: `mul` is the constant count. Otherwise count(symbol) · mul / div in lowest terms, which must divide
// evenly.
struct RowCount {
  std::string symbol;
  int64_t mul = 1, div = 1;
  bool operator==(const RowCount&) const = default;
  int64_t resolve(const std::map<std::string, int64_t>& counts) const;  // throws INVALID_ARGUMENT
  RowCount multiplied(int64_t factor) const;
  RowCount divided(int64_t factor) const;  // a constant that does not divide has div > 1
  std::string text() const;                // "patches·2/3"
};

struct Value {
  std::string name;
  DType dtype = DType::f32;
  RowCount rows;
  int64_t width = 0;
};

struct WeightRecipe {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<std::string> tensors, scales, biases;
  std::vector<float> values;                      // instead of tensors: every row
  std::vector<std::string> zeros, order, tables;  // of forms that other tools wrote (weights/foreign_form.h)
  std::string mode;                               // empty: float
  int32_t bits = 0, group = 0;
  int32_t block[2] = {0, 0};
  std::vector<int32_t> permute;
  int32_t slice_axis = -1;
  int64_t slice_start = 0, slice_count = 0;
  uint32_t uses = 0;  // WeightUse, gathered from the operators that read it
};

struct OpNode {
  Op op;
  std::vector<int32_t> in, weights, out;
  OpAttrs attrs;
};

struct Program {
  std::string name;
  std::vector<int32_t> inputs, outputs;
  std::vector<Value> values;
  std::vector<WeightRecipe> weights;
  std::vector<OpNode> ops;
  std::vector<KvLayer> kv_layers;
  std::vector<int64_t> state_elements;
  int32_t value_index(std::string_view name) const;  // -1 where absent
};

// Whether what one program prepares of a weight serves another, which may use it in fewer ways.
bool same_weight(const WeightRecipe& prepared, const WeightRecipe& wanted);

// Throws INVALID_PROGRAM: one sentence that names the operator, the value or weight, and both shapes.
Program parse_program(std::string_view json);

// The second half of `parse_program`: checks all of the above and gathers WeightRecipe::uses.
void verify_program(Program& program);

}  // namespace afterimage
