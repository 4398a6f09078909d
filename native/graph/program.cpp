// JSON to Program: types, ranges and indices. What the numbers mean together is checked in verify_program.cpp.
#include "graph/program.h"

#include <cmath>

#include "graph/json_fields.h"
#include "graph/op_attrs.h"

namespace afterimage {
namespace {

constexpr int64_t kMaxItems = 1 << 20;           // values, weights or operators of a program
constexpr int64_t kMaxRowCount = INT32_MAX;      // also of `mul` and `div`
constexpr int64_t kMaxWidth = int64_t{1} << 28;  // columns of a value
constexpr int64_t kMaxWeightAxis = INT32_MAX;
constexpr int64_t kMaxWeightElements = int64_t{1} << 40;
constexpr int64_t kMaxKvLayers = 4096, kMaxKvWidth = 1 << 16;
constexpr int64_t kMaxStateElements = int64_t{1} << 32;

std::string numbered(const char* what, size_t index) { return std::string(what) + " " + std::to_string(index); }

RowCount read_rows(const Json& json, const std::string& place) {
  if (json.find("constant")) return {"", JsonFields(json, place, {"constant"}).integer("constant", 0, kMaxRowCount), 1};
  const JsonFields fields(json, place, {"symbol", "mul", "div"});
  RowCount rows{fields.text("symbol")};
  if (fields.find("mul")) rows.mul = fields.integer("mul", 1, kMaxRowCount);
  return rows.divided(fields.find("div") ? fields.integer("div", 1, kMaxRowCount) : 1);
}

Value read_value(const Json& json, size_t index) {
  const JsonFields fields(json, numbered("value", index), {"name", "dtype", "rows", "width"});
  Value value;
  value.name = fields.text("name");
  const std::string place = "value \"" + value.name + "\"", dtype = fields.text("dtype");
  if (dtype != "f32" && dtype != "i32") fields.fail("needs \"dtype\" as f32 or i32, not \"" + dtype + "\"");
  value.dtype = dtype == "f32" ? DType::f32 : DType::i32;
  value.rows = read_rows(fields.at("rows"), place + " has rows and");
  value.width = fields.integer("width", 1, kMaxWidth);
  return value;
}

void read_quantization(WeightRecipe& weight, const Json& json, const std::string& place) {
  const JsonFields fields(json, place + " has a quantization and",
                          {"mode", "bits", "group", "block", "scales", "biases", "zeros", "order", "tables"});
  weight.mode = fields.text("mode");
  weight.bits = static_cast<int32_t>(fields.integer("bits", 1, 8));
  weight.group = static_cast<int32_t>(fields.integer("group", 0, 1 << 16));
  if (fields.find("block")) {
    const std::vector<int64_t> block = fields.integers("block", 1, INT32_MAX);
    if (block.size() != 2) fields.fail("needs two numbers in \"block\"");
    weight.block[0] = static_cast<int32_t>(block[0]);
    weight.block[1] = static_cast<int32_t>(block[1]);
  }
  weight.scales = fields.texts("scales");
  if (fields.find("biases")) weight.biases = fields.texts("biases");
  if (fields.find("zeros")) weight.zeros = fields.texts("zeros");
  if (fields.find("order")) weight.order = fields.texts("order");
  if (fields.find("tables")) weight.tables = fields.texts("tables");
}

void read_slice(WeightRecipe& weight, const Json& json, const std::string& place) {
  const JsonFields fields(json, place + " has a slice and", {"axis", "start", "count"});
  weight.slice_axis = static_cast<int32_t>(fields.integer("axis", 0, 7));
  weight.slice_start = fields.integer("start", 0, kMaxWeightAxis);
  weight.slice_count = fields.integer("count", 1, kMaxWeightAxis);
}

std::vector<float> read_values(const JsonFields& fields) {
  std::vector<float> values;
  for (const Json& json : fields.array("values")) {
    double value = 0;
    if (!json.number(value) || !std::isfinite(static_cast<float>(value)))
      fields.fail("needs \"values\" as finite numbers");
    values.push_back(static_cast<float>(value));
  }
  return values;
}

WeightRecipe read_weight(const Json& json, size_t index) {
  const JsonFields fields(json, numbered("weight", index),
                          {"name", "shape", "tensors", "values", "quantization", "permute", "slice"});
  WeightRecipe weight;
  weight.name = fields.text("name");
  const std::string place = "weight \"" + weight.name + "\"";
  weight.shape = fields.integers("shape", 1, kMaxWeightAxis);
  if (weight.shape.empty() || weight.shape.size() > 3) fail_program(place + " must have one to three axes");
  int64_t elements = 1;
  for (int64_t axis : weight.shape) {
    elements *= axis;
    if (elements > kMaxWeightElements) fail_program(place + " has more than 2^40 elements");
  }
  weight.tensors = fields.texts("tensors");
  if (fields.find("values")) weight.values = read_values(fields);
  if (weight.tensors.empty() && weight.values.empty()) fail_program(place + " names no tensor");
  if (const Json* quantization = fields.find("quantization")) read_quantization(weight, *quantization, place);
  if (fields.find("permute")) {
    for (int64_t axis : fields.integers("permute", 0, 7)) weight.permute.push_back(static_cast<int32_t>(axis));
  }
  if (const Json* slice = fields.find("slice")) read_slice(weight, *slice, place);
  return weight;
}

// Trailing operands may be left out; the list is completed with -1.
std::vector<int32_t> read_indices(const JsonFields& fields, const char* key, size_t items, size_t operands) {
  std::vector<int32_t> out;
  for (int64_t index : fields.integers(key, -1, static_cast<int64_t>(items) - 1))
    out.push_back(static_cast<int32_t>(index));
  if (out.size() > operands) {
    fields.fail("has " + std::to_string(out.size()) + " entries in \"" + key + "\"; expected at most " +
                std::to_string(operands));
  }
  out.resize(operands, -1);
  return out;
}

OpNode read_op(const Json& json, size_t index, const Program& program) {
  const JsonFields fields(json, numbered("operator", index), {"op", "in", "weights", "out", "attrs"});
  const OpSignature* op = signature(fields.text("op"));
  if (!op) fields.fail("is of unknown kind \"" + fields.text("op") + "\"");
  const std::string place = numbered("operator", index) + " (" + std::string(op->name) + ")";
  const JsonFields named(json, place, {"op", "in", "weights", "out", "attrs"});
  return {op->op, read_indices(named, "in", program.values.size(), op->in.size()),
          read_indices(named, "weights", program.weights.size(), op->weights.size()),
          read_indices(named, "out", program.values.size(), op->out.size()), read_attrs(named.at("attrs"), *op, place)};
}

void read_layers(Program& program, const JsonFields& fields) {
  if (const Json* kv = fields.find("kv")) {
    for (const Json& json : JsonFields(*kv, "\"kv\"", {"layers"}).array("layers")) {
      const JsonFields layer(json, numbered("KV layer", program.kv_layers.size()), {"kvHeads", "kDim", "vDim"});
      program.kv_layers.push_back({static_cast<int32_t>(layer.integer("kvHeads", 1, kMaxKvWidth)),
                                   static_cast<int32_t>(layer.integer("kDim", 1, kMaxKvWidth)),
                                   static_cast<int32_t>(layer.integer("vDim", 1, kMaxKvWidth))});
    }
    if (program.kv_layers.size() > kMaxKvLayers) fail_program("The program has more than 4096 KV layers");
  }
  if (const Json* states = fields.find("states")) {
    program.state_elements = JsonFields(*states, "\"states\"", {"elements"}).integers("elements", 0, kMaxStateElements);
    if (program.state_elements.size() > kMaxKvLayers) fail_program("The program has more than 4096 state layers");
  }
}

template <class Item, class Read>
void read_list(std::vector<Item>& out, const JsonFields& fields, const char* key, Read read) {
  const Json::Array& array = fields.array(key);
  if (static_cast<int64_t>(array.size()) > kMaxItems) fields.fail("has more than 2^20 " + std::string(key));
  for (const Json& json : array) out.push_back(read(json, out.size()));
}

std::vector<int32_t> read_value_list(const JsonFields& fields, const char* key, const Program& program) {
  std::vector<int32_t> out;
  for (int64_t index : fields.integers(key, 0, static_cast<int64_t>(program.values.size()) - 1)) {
    out.push_back(static_cast<int32_t>(index));
  }
  return out;
}

Json read_json(std::string_view text) {
  try {
    return parse_json(text);
  } catch (const JsonError& error) {
    throw Error("INVALID_PROGRAM",
                std::string("The program is not valid JSON: ") + error.what() + "; pass what the builder returns.");
  }
}

}  // namespace

int32_t Program::value_index(std::string_view name) const {
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i].name == name) return static_cast<int32_t>(i);
  }
  return -1;
}

bool same_weight(const WeightRecipe& prepared, const WeightRecipe& wanted) {
  return prepared.name == wanted.name && prepared.shape == wanted.shape && prepared.tensors == wanted.tensors &&
         prepared.slice_start == wanted.slice_start && prepared.permute == wanted.permute &&
         (prepared.uses & wanted.uses) == wanted.uses;
}

Program parse_program(std::string_view text) {
  const Json json = read_json(text);
  const JsonFields fields(json, "The program",
                          {"name", "inputs", "outputs", "values", "weights", "ops", "kv", "states"});
  Program program;
  program.name = fields.text("name");
  read_list(program.values, fields, "values", read_value);
  read_list(program.weights, fields, "weights", read_weight);
  program.inputs = read_value_list(fields, "inputs", program);
  program.outputs = read_value_list(fields, "outputs", program);
  read_list(program.ops, fields, "ops", [&](const Json& op, size_t index) { return read_op(op, index, program); });
  read_layers(program, fields);
  verify_program(program);
  return program;
}

}  // namespace afterimage
