#include "graph/input_binding.h"

#include <algorithm>

#include "graph/error.h"
#include "graph/op_signature.h"

namespace afterimage {
namespace {

[[noreturn]] void refuse_input(const std::string& what) { throw Error("INVALID_ARGUMENT", what + "."); }

int64_t bound_rows(const Binding& binding) { return binding.device ? binding.device.rows : binding.rows; }

const int32_t* integers(const Binding& binding) {
  return binding.device ? binding.device.at<int32_t>() : static_cast<const int32_t*>(binding.host);
}

void check_binding(const Value& value, const Binding& binding) {
  const std::string name = "\"" + value.name + "\"";
  if (binding.device) {
    if (binding.device.width != value.width || binding.device.dtype != value.dtype) {
      refuse_input("Expected input " + name + " of width " + std::to_string(value.width) +
                   " but received a tensor of width " + std::to_string(binding.device.width));
    }
    const size_t size = binding.device.memory->bytes();
    if (binding.device.rows < 0 || binding.device.rows > INT32_MAX || binding.device.offset > size ||
        binding.device.bytes() > size - binding.device.offset) {
      refuse_input("Expected input " + name + " to lie inside its memory of " + std::to_string(size) + " bytes");
    }
  } else if (binding.rows < 0 || (binding.rows > 0 && !binding.host && !binding.write)) {
    refuse_input("Expected data for input " + name + " but received none");
  } else if (binding.write && value.dtype != DType::f32) {
    refuse_input("Expected integers for input " + name + " but received floats");
  }
}

// How many rows the indices may name.
int64_t addressed_rows(const Program& program, const OpNode& op, const std::vector<int64_t>& rows) {
  switch (op.op) {
    case Op::GatherRows:
    case Op::DepthwiseRows:
      return rows[op.in[0]];
    case Op::WeightedRows:
      return op.in[0] >= 0 ? rows[op.in[0]] : program.weights[op.weights[0]].shape[0];
    case Op::ReplaceRows:
    case Op::AddRows:
      return rows[op.in[1]];
    case Op::ExpertLinear:
      return program.weights[op.weights[0]].shape[0];
    default:
      return 0;
  }
}

// Below 0 an index means that there is no row.
int64_t lowest_index(Op op) {
  if (op == Op::ReplaceRows || op == Op::AddRows) return INT32_MIN;
  return op == Op::GatherRows || op == Op::DepthwiseRows ? -1 : 0;
}

void check_range(const std::string& name, std::span<const int32_t> indices, int64_t low, int64_t end) {
  const auto bad = std::find_if(indices.begin(), indices.end(), [&](int32_t i) { return i < low || i >= end; });
  if (bad != indices.end()) {
    refuse_input("Expected \"" + name + "\" to name rows below " + std::to_string(end) + " but received " +
                 std::to_string(*bad) + " at position " + std::to_string(bad - indices.begin()));
  }
}

void check_segments(const std::string& name, std::span<const int32_t> bounds, int64_t rows) {
  if (bounds.empty() || bounds.front() != 0 || bounds.back() != rows || !std::is_sorted(bounds.begin(), bounds.end())) {
    refuse_input("Expected \"" + name + "\" to ascend from 0 to " + std::to_string(rows));
  }
}

// Every row sees its own segment, up to one of its rows.
void check_visible(const std::string& name, std::span<const int32_t> visible, std::span<const int32_t> bounds) {
  for (size_t s = 0; s + 1 < bounds.size(); ++s) {
    for (int32_t r = bounds[s]; r < bounds[s + 1]; ++r) {
      if (visible[static_cast<size_t>(r)] <= bounds[s] || visible[static_cast<size_t>(r)] > bounds[s + 1]) {
        refuse_input("Expected row " + std::to_string(r) + " of \"" + name + "\" to lie above " +
                     std::to_string(bounds[s]) + " and not above " + std::to_string(bounds[s + 1]) + " but received " +
                     std::to_string(visible[static_cast<size_t>(r)]));
      }
    }
  }
}

// Heights and widths of images that have `rows` pixels in all and that the strides divide.
void check_sizes(const std::string& name, std::span<const int32_t> sizes, int64_t rows, const OpAttrs& attrs) {
  int64_t pixels = 0;
  for (size_t i = 0; i + 1 < sizes.size(); i += 2) {
    const int32_t height = sizes[i], width = sizes[i + 1];
    if (height < 1 || width < 1 || height % attrs.stride_y != 0 || width % attrs.stride_x != 0) {
      refuse_input("Expected \"" + name + "\" to list heights and widths above 0, multiples of " +
                   std::to_string(attrs.stride_y) + " and " + std::to_string(attrs.stride_x) + ", but received " +
                   std::to_string(height) + " and " + std::to_string(width));
    }
    pixels += int64_t{height} * width;
  }
  if (pixels != rows) {
    refuse_input("Expected \"" + name + "\" to count " + std::to_string(rows) + " pixels but received " +
                 std::to_string(pixels));
  }
}

}  // namespace

std::vector<const Binding*> match_bindings(const Program& program, std::span<const Binding> bindings) {
  std::vector<const Binding*> by_value(program.values.size(), nullptr);
  for (const Binding& binding : bindings) {
    const auto named = [&](int32_t input) { return program.values[input].name == binding.name; };
    const auto input = std::find_if(program.inputs.begin(), program.inputs.end(), named);
    if (input == program.inputs.end())
      refuse_input("Program \"" + program.name + "\" has no input \"" + binding.name + "\"");
    if (by_value[*input]) refuse_input("Input \"" + binding.name + "\" is bound twice");
    check_binding(program.values[*input], binding);
    by_value[*input] = &binding;
  }
  for (int32_t input : program.inputs) {
    if (!by_value[input])
      refuse_input("Input \"" + program.values[input].name + "\" of program \"" + program.name + "\" is not bound");
  }
  return by_value;
}

std::map<std::string, int64_t> symbol_counts(const Program& program, const std::vector<const Binding*>& bindings) {
  std::map<std::string, int64_t> counts;
  std::map<std::string, std::string> set_by;
  for (int32_t input : program.inputs) {
    const Value& value = program.values[input];
    const RowCount& count = value.rows;
    const int64_t rows = bound_rows(*bindings[input]);
    if (count.symbol.empty()) {
      if (rows != count.mul)
        refuse_input("Expected " + count.text() + " rows of \"" + value.name + "\" but received " +
                     std::to_string(rows));
      continue;
    }
    if (rows > INT32_MAX || rows * count.div % count.mul != 0) {
      refuse_input("Expected a multiple of " + std::to_string(count.mul) + " rows of \"" + value.name +
                   "\" but received " + std::to_string(rows));
    }
    const auto [known, added] = counts.emplace(count.symbol, rows * count.div / count.mul);
    if (added) set_by[count.symbol] = value.name;
    if (known->second != rows * count.div / count.mul) {
      refuse_input("Expected " + std::to_string(count.resolve(counts)) + " rows of \"" + value.name + "\", as \"" +
                   set_by[count.symbol] + "\" implies, but received " + std::to_string(rows));
    }
  }
  return counts;
}

std::vector<IndexOperand> index_operands(const Program& program) {
  std::vector<IndexOperand> operands;
  for (size_t i = 0; i < program.ops.size(); ++i) {
    const Op op = program.ops[i].op;
    if (op == Op::Embedding || op == Op::RopeTable || op == Op::Regroup || op == Op::ChooseRows)
      continue;  // any number
    const OpSignature& spec = signature(op);
    for (size_t j = 0; j < spec.in.size(); ++j) {
      if (spec.in[j].dtype == DType::i32) operands.push_back({i, j});
    }
  }
  return operands;
}

void check_indices(const Program& program, const std::vector<IndexOperand>& operands, const std::vector<int64_t>& rows,
                   const std::vector<const Binding*>& bindings) {
  std::vector<int32_t> root(program.values.size(), -1);  // of inputs and their Regroup views
  for (int32_t input : program.inputs) root[input] = input;
  for (const OpNode& op : program.ops) {
    if (op.op == Op::Regroup) root[op.out[0]] = root[op.in[0]];
  }
  for (const IndexOperand& operand : operands) {
    const OpNode& op = program.ops[operand.op];
    const int32_t value = op.in[operand.operand];
    const int32_t input = value < 0 ? -1 : root[value];
    if (input < 0 || rows[op.out[0]] == 0) continue;
    if (op.op == Op::SegmentAttention && root[op.in[3]] < 0) continue;
    const auto integers_of = [&](int32_t of) {
      const size_t count = static_cast<size_t>(rows[of] * program.values[of].width);
      return std::span<const int32_t>(integers(*bindings[root[of]]), count);
    };
    const std::span<const int32_t> indices = integers_of(value);
    const std::string& name = program.values[input].name;
    if (signature(op.op).in[operand.operand].label == "sizes") {
      check_sizes(name, indices, rows[op.in[0]], op.attrs);
    } else if (op.op == Op::SegmentAttention) {
      const std::span<const int32_t> bounds = integers_of(op.in[3]);
      check_segments(program.values[root[op.in[3]]].name, bounds, rows[op.out[0]]);
      if (operand.operand == 4) check_visible(name, indices, bounds);
    } else {
      check_range(name, indices, lowest_index(op.op), addressed_rows(program, op, rows));
    }
  }
}

}  // namespace afterimage
