// What must hold between the parts of a program: data flow, dtypes, weights, KV layers and states.
#include <algorithm>
#include <set>

#include "graph/json_fields.h"
#include "graph/op_signature.h"
#include "graph/program.h"
#include "graph/shape_rules.h"

namespace afterimage {
namespace {

const char* dtype_text(DType dtype) { return dtype == DType::f32 ? "f32" : "i32"; }

bool is_sequence_op(Op op) { return op == Op::Attention || op == Op::ShortConv || op == Op::GatedDelta; }

class Verifier {
 public:
  explicit Verifier(Program& program) : program_(program), written_(program.values.size()) {}

  void verify() {
    names();
    interface();
    for (size_t i = 0; i < program_.ops.size(); ++i) {
      place_ = "operator " + std::to_string(i) + " (" + std::string(signature(program_.ops[i].op).name) + ")";
      verify_op(program_.ops[i]);
    }
    for (size_t i = 0; i < written_.size(); ++i) {
      if (!written_[i]) fail_program("value \"" + program_.values[i].name + "\" is never written");
    }
    for (WeightRecipe& weight : program_.weights) {
      verify_recipe(weight);
      if (!sequence_rows_ && (weight.uses & kUseMatrix)) weight.uses |= kUseInEncoder;
    }
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { fail_program(place_ + ": " + what); }

  void names() const {
    std::set<std::string_view> seen;
    for (const Value& value : program_.values) {
      if (!seen.insert(value.name).second) fail_program("two values are named \"" + value.name + "\"");
    }
    seen.clear();
    for (const WeightRecipe& weight : program_.weights) {
      if (!seen.insert(weight.name).second) fail_program("two weights are named \"" + weight.name + "\"");
    }
  }

  // Inputs are written by the caller; every symbol is counted by one of them.
  void interface() {
    std::set<std::string_view> symbols = {""};
    for (int32_t input : program_.inputs) {
      if (written_[input]) fail_program("value \"" + program_.values[input].name + "\" is listed twice as an input");
      written_[input] = true;
      symbols.insert(program_.values[input].rows.symbol);
    }
    if (program_.outputs.empty()) fail_program("The program has no output");
    for (const Value& value : program_.values) {
      if (!symbols.count(value.rows.symbol)) {
        fail_program("value \"" + value.name + "\" counts rows by \"" + value.rows.symbol + "\", which no input has");
      }
      if (value.rows.div != 1 && value.rows.symbol.empty())
        fail_program("value \"" + value.name + "\" has a fraction of a row");
    }
  }

  void verify_op(const OpNode& op) {
    const OpSignature& spec = signature(op.op);
    for (size_t i = 0; i < spec.in.size(); ++i) read_operand(spec.in[i], op.in[i], op.op == Op::Regroup);
    for (size_t i = 0; i < spec.weights.size(); ++i) read_weight(op, spec.weights[i], op.weights[i]);
    for (size_t i = 0; i < spec.out.size(); ++i) require_output(spec, op.out[i], expected_dtype(spec, op, i));
    verify_shapes(program_, op, place_);
    if (is_sequence_op(op.op)) verify_sequence_op(op);
    for (int32_t value : op.out) {
      if (written_[value]) fail("value \"" + program_.values[value].name + "\" is written twice");
      written_[value] = true;
    }
  }

  DType expected_dtype(const OpSignature& spec, const OpNode& op, size_t output) const {
    return op.op == Op::Regroup ? program_.values[op.in[0]].dtype : spec.out[output];
  }

  void read_operand(const OperandSpec& spec, int32_t index, bool any_dtype) const {
    if (index < 0) {
      if (!spec.optional) fail("lacks operand " + std::string(spec.label));
      return;
    }
    const Value& value = program_.values[index];
    if (!written_[index]) fail("value \"" + value.name + "\" is read before it is written");
    if (value.dtype != spec.dtype && !any_dtype) {
      fail("value \"" + value.name + "\" is " + dtype_text(value.dtype) + "; expected " + dtype_text(spec.dtype));
    }
  }

  static uint32_t use_of(const OpNode& op, const WeightSpec& spec) {
    return op.op == Op::Convolution && spec.use == kUseKernel && by_3x3(op.attrs) ? kUseKernel3x3 : spec.use;
  }

  void read_weight(const OpNode& op, const WeightSpec& spec, int32_t index) {
    if (index < 0) {
      if (!spec.optional) fail("lacks weight " + std::string(spec.label));
      return;
    }
    WeightRecipe& weight = program_.weights[index];
    if (static_cast<int>(weight.shape.size()) != spec.rank) {
      fail("weight \"" + weight.name + "\" has " + std::to_string(weight.shape.size()) + " axes; expected " +
           std::to_string(spec.rank));
    }
    if (spec.use == kUseVector && !weight.mode.empty())
      fail("weight \"" + weight.name + "\" is quantized where floats are needed");
    weight.uses |= use_of(op, spec);
  }

  void require_output(const OpSignature& spec, int32_t index, DType dtype) const {
    if (index < 0) fail("needs " + std::to_string(spec.out.size()) + " outputs");
    const Value& value = program_.values[index];
    if (value.dtype != dtype)
      fail("value \"" + value.name + "\" is " + dtype_text(value.dtype) + "; expected " + dtype_text(dtype));
  }

  void verify_sequence_op(const OpNode& op) {
    const RowCount& rows = program_.values[op.out[0]].rows;
    if (!sequence_rows_) sequence_rows_ = &rows;
    if (!(*sequence_rows_ == rows))
      fail("has " + rows.text() + " rows; other sequence operators have " + sequence_rows_->text());
    if (op.op == Op::Attention) return verify_kv(op);
    const OpAttrs& attrs = op.attrs;
    const int64_t elements = op.op == Op::GatedDelta
                                 ? saturating_product(saturating_product(attrs.heads, attrs.k_dim), attrs.v_dim)
                                 : saturating_product(program_.weights[op.weights[0]].shape[0],
                                                      program_.weights[op.weights[0]].shape[1] - 1);
    verify_state(attrs.layer, elements);
  }

  static int64_t saturating_product(int64_t a, int64_t b) {
    int64_t product = 0;
    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
  }

  void verify_kv(const OpNode& op) {
    const OpAttrs& attrs = op.attrs;
    if (attrs.layer >= static_cast<int64_t>(program_.kv_layers.size()))
      fail("KV layer " + std::to_string(attrs.layer) + " is not declared");
    const KvLayer expected{attrs.kv_heads, attrs.k_dim, attrs.v_dim};
    if (!(program_.kv_layers[attrs.layer] == expected))
      fail("KV layer " + std::to_string(attrs.layer) + " is declared with other heads or widths");
    if ((op.in[1] < 0) != (op.in[2] < 0)) fail("needs k and v together");
    const bool writes = op.in[1] >= 0;
    if (writes && !kv_written_.insert(attrs.layer).second)
      fail("KV layer " + std::to_string(attrs.layer) + " is written twice");
    if (!writes && !kv_written_.count(attrs.layer))
      fail("KV layer " + std::to_string(attrs.layer) + " is read before it is written");
  }

  void verify_state(int32_t layer, int64_t elements) {
    if (layer >= static_cast<int64_t>(program_.state_elements.size()))
      fail("state " + std::to_string(layer) + " is not declared");
    if (!states_written_.insert(layer).second) fail("state " + std::to_string(layer) + " is used twice");
    if (program_.state_elements[layer] != elements) {
      fail("state " + std::to_string(layer) + " has " + std::to_string(program_.state_elements[layer]) +
           " elements; expected " + std::to_string(elements));
    }
  }

  static void verify_recipe(const WeightRecipe& weight) {
    const std::string place = "weight \"" + weight.name + "\"";
    const size_t tensors = weight.tensors.size();
    std::vector<int32_t> axes = weight.permute;
    std::sort(axes.begin(), axes.end());
    for (size_t i = 0; i < axes.size(); ++i) {
      if (axes[i] != static_cast<int32_t>(i))
        fail_program(place + " has a permutation that does not name every axis once");
    }
    if (!weight.values.empty()) return verify_values(weight, place);
    if (weight.mode.empty()) return;
    if (!weight.permute.empty() && weight.mode != "gguf" && weight.mode != "fp8_block")
      fail_program(place + " is quantized and cannot be permuted");
    if (weight.scales.size() != (weight.mode == "gguf" ? 0 : tensors))
      fail_program(place + " needs one tensor of scales for each of its tensors");
    verify_parts(weight, place);
    const size_t biases = weight.mode == "affine" || weight.mode == "affine_turned" ? tensors : 0;
    if (weight.biases.size() != biases) fail_program(place + " needs " + std::to_string(biases) + " tensors of biases");
    verify_format(weight, place);
  }

  static void verify_values(const WeightRecipe& weight, const std::string& place) {
    if (static_cast<int64_t>(weight.values.size()) != weight.shape.back())
      fail_program(place + " needs one value for each of its " + std::to_string(weight.shape.back()) + " columns");
    if (!weight.tensors.empty() || !weight.mode.empty() || !weight.permute.empty() || weight.slice_axis >= 0)
      fail_program(place + " is made of values and names tensors besides");
  }

  // One tensor of zeros and one order of columns for each tensor of codes, where there are any; tables several.
  static void verify_parts(const WeightRecipe& weight, const std::string& place) {
    const size_t tensors = weight.tensors.size();
    const bool required = weight.mode == "gptq" || weight.mode == "gptq_v2" || weight.mode == "awq";
    if (weight.zeros.size() != tensors && (required || !weight.zeros.empty()))
      fail_program(place + " needs one tensor of zeros for each of its tensors");
    if (weight.order.size() != tensors && !weight.order.empty())
      fail_program(place + " needs one order of columns for each of its tensors");
    const size_t each = weight.tables.size() / tensors;
    const bool fits = weight.mode == "bnb_4bit"       ? each == 2 || each == 4
                      : weight.mode == "nvfp4_scaled" ? each == 1
                                                      : weight.tables.empty();
    if (!fits || weight.tables.size() % tensors != 0)
      fail_program(place + " has another number of tables than it needs");
  }

  static void verify_format(const WeightRecipe& weight, const std::string& place) {
    struct Format {
      std::string_view mode;
      std::vector<int32_t> bits, groups;
    };
    static const Format kFormats[] = {{"affine", {2, 3, 4, 5, 6, 8}, {32, 64, 128}},
                                      {"mxfp4", {4}, {32}},
                                      {"mxfp8", {8}, {32}},
                                      {"nvfp4", {4}, {16}},
                                      {"fp8_block", {8}, {}},
                                      {"int4_symmetric", {4}, {32, 64, 128}},
                                      {"gptq", {2, 3, 4, 8}, {}},
                                      {"gptq_v2", {2, 3, 4, 8}, {}},
                                      {"awq", {4}, {}},
                                      {"packed_int", {4, 8}, {}},
                                      {"int8", {8}, {}},
                                      {"bnb_int8", {8}, {}},
                                      {"bnb_4bit", {4}, {}},
                                      {"nvfp4_scaled", {4}, {16}},
                                      {"gguf", {4, 8}, {}},
                                      {"affine_turned", {2, 3, 4, 5, 6, 8}, {}}};
    const auto has = [](const std::vector<int32_t>& list, int32_t item) {
      return std::find(list.begin(), list.end(), item) != list.end();
    };
    const auto* format =
        std::find_if(std::begin(kFormats), std::end(kFormats), [&](const Format& f) { return f.mode == weight.mode; });
    if (format == std::end(kFormats)) fail_program(place + " has the unknown quantization \"" + weight.mode + "\"");
    if (!has(format->bits, weight.bits))
      fail_program(place + ": " + weight.mode + " has no " + std::to_string(weight.bits) + " bits");
    if (weight.shape.size() < 2) fail_program(place + " is quantized and must be a matrix or a stack of them");
    if (weight.mode == "fp8_block") {
      if (weight.block[0] < 1) fail_program(place + " needs \"block\"");
      return;
    }
    if (format->groups.empty()) {
      if (weight.group < 1) fail_program(place + " needs \"group\"");
      return;
    }
    if (!has(format->groups, weight.group))
      fail_program(place + ": " + weight.mode + " has no groups of " + std::to_string(weight.group));
    if (weight.shape.back() % weight.group != 0) {
      fail_program(place + " has " + std::to_string(weight.shape.back()) + " columns, which are not groups of " +
                   std::to_string(weight.group));
    }
  }

  Program& program_;
  std::vector<char> written_;
  std::string place_;
  const RowCount* sequence_rows_ = nullptr;
  std::set<int32_t> kv_written_, states_written_;
};

}  // namespace

void verify_program(Program& program) { Verifier(program).verify(); }

}  // namespace afterimage
