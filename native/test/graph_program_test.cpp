// One valid draft of every operator; then every width, row count, dtype and weight axis is changed one at a time, and
// every operand and required attribute is left out: each change must be refused, except where ops.h leaves it free.
#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "graph/op_signature.h"
#include "graph/program.h"
#include "graph_check.h"

using namespace afterimage;

namespace {

struct DraftValue {
  std::string dtype, symbol;
  int64_t width;
  int64_t div = 1;
  bool absent = false;
};

struct Draft {
  std::string op;
  std::vector<DraftValue> in;
  std::vector<std::vector<int64_t>> weights;  // an empty shape is an absent weight
  std::vector<DraftValue> out;
  std::vector<std::pair<std::string, std::string>> attrs;
  std::set<std::string> free;  // changes that ops.h allows
  std::string extra;
};

DraftValue f(int64_t width) { return {"f32", "R", width}; }
DraftValue i(int64_t width) { return {"i32", "R", width}; }

std::string value_json(const std::string& name, const DraftValue& value) {
  return "{\"name\":\"" + name + "\",\"dtype\":\"" + value.dtype + "\",\"rows\":{\"symbol\":\"" + value.symbol +
         "\",\"div\":" + std::to_string(value.div) + "},\"width\":" + std::to_string(value.width) + "}";
}

std::string join(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ",") + item;
  return text;
}

std::string shape_json(const std::vector<int64_t>& shape) {
  std::vector<std::string> axes;
  for (int64_t axis : shape) axes.push_back(std::to_string(axis));
  return "[" + join(axes) + "]";
}

// Symbols R and S are always counted by inputs of their own.
std::string program_json(const Draft& draft) {
  std::vector<std::string> values = {value_json("count.R", i(1)), value_json("count.S", {"i32", "S", 1})},
                           inputs = {"0", "1"};
  std::vector<std::string> weights, in, out, weight_indices, attrs;
  for (size_t k = 0; k < draft.in.size(); ++k) {
    in.push_back(draft.in[k].absent ? "-1" : std::to_string(values.size()));
    if (draft.in[k].absent) continue;
    inputs.push_back(in.back());
    values.push_back(value_json("in" + std::to_string(k), draft.in[k]));
  }
  for (size_t k = 0; k < draft.out.size(); ++k) {
    out.push_back(draft.out[k].absent ? "-1" : std::to_string(values.size()));
    if (!draft.out[k].absent) values.push_back(value_json("out" + std::to_string(k), draft.out[k]));
  }
  for (const std::vector<int64_t>& shape : draft.weights) {
    weight_indices.push_back(shape.empty() ? "-1" : std::to_string(weights.size()));
    const std::string name = "w" + std::to_string(weights.size());
    if (!shape.empty())
      weights.push_back("{\"name\":\"" + name + "\",\"shape\":" + shape_json(shape) + ",\"tensors\":[\"t\"]}");
  }
  for (const auto& [name, value] : draft.attrs) attrs.push_back("\"" + name + "\":" + value);
  return "{\"name\":\"decoder\",\"inputs\":[" + join(inputs) + "],\"outputs\":[" +
         (out.empty() || out[0] == "-1" ? "0" : out[0]) + "],\"values\":[" + join(values) + "],\"weights\":[" +
         join(weights) + "],\"ops\":[{\"op\":\"" + draft.op + "\",\"in\":[" + join(in) + "],\"weights\":[" +
         join(weight_indices) + "],\"out\":[" + join(out) + "],\"attrs\":{" + join(attrs) + "}}]" + draft.extra + "}";
}

const std::string kKv = ",\"kv\":{\"layers\":[{\"kvHeads\":2,\"kDim\":3,\"vDim\":5}]}";
const std::vector<std::pair<std::string, std::string>> kHeads = {
    {"heads", "4"}, {"kvHeads", "2"}, {"kDim", "3"}, {"vDim", "5"}, {"scale", "0.5"}};

std::vector<std::pair<std::string, std::string>> heads_and(std::vector<std::pair<std::string, std::string>> more) {
  more.insert(more.begin(), kHeads.begin(), kHeads.end());
  return more;
}

// 3 × 3 pixels at every second one.
const std::vector<std::pair<std::string, std::string>> kWindow = {{"kernelY", "3"}, {"kernelX", "3"}, {"strideY", "2"},
                                                                  {"strideX", "2"}, {"padY", "1"},    {"padX", "1"}};

std::vector<std::pair<std::string, std::string>> window_and(std::vector<std::pair<std::string, std::string>> more) {
  more.insert(more.begin(), kWindow.begin(), kWindow.end());
  return more;
}

DraftValue sizes() { return {"i32", "S", 2}; }

std::vector<Draft> drafts() {
  return {
      {"linear",
       {f(7), f(5)},
       {{5, 7}, {5}},
       {f(5)},
       {{"activation", "\"gelu_tanh\""}},
       {"in1.absent", "w1.absent"},
       ""},
      {"embedding", {i(1)}, {{31, 6}}, {f(6)}, {{"scale", "2"}}, {"w0.0"}, ""},
      {"rmsNorm",
       {f(12)},
       {{4}},
       {f(12)},
       {{"eps", "1e-6"}, {"groups", "3"}, {"weightOffset", "1"}},
       {"w0.absent"},
       ""},
      {"layerNorm", {f(12)}, {{4}, {4}}, {f(12)}, {{"eps", "1e-6"}, {"groups", "3"}}, {"w0.absent", "w1.absent"}, ""},
      {"ropeTable",
       {i(3)},
       {},
       {f(8)},
       {{"invFreq", "[1,0.5,0.25,0.1]"}, {"axis", "[0,1,2,2]"}, {"scale", "1.5"}},
       {"in0.width"},
       ""},
      {"rope", {f(20), f(6)}, {}, {f(20)}, {{"groups", "2"}, {"start", "4"}, {"interleaved", "true"}}, {}, ""},
      {"attention",
       {f(12), f(6), f(10)},
       {},
       {f(20)},
       heads_and({{"layer", "0"}, {"window", "9"}, {"start", "1"}, {"softcap", "30"}}),
       {},
       kKv},
      {"segmentAttention", {f(12), f(6), f(10), {"i32", "S", 1}}, {}, {f(20)}, kHeads, {"in3.rows", "in3.div"}, ""},
      {"add", {f(9), f(9)}, {}, {f(9)}, {}, {}, ""},
      {"add", {f(9), {"f32", "R", 9, 1, true}}, {{9}}, {f(9)}, {}, {}, ""},
      {"add", {f(9), f(1)}, {}, {f(9)}, {}, {}, ""},
      {"mul", {f(9), f(9)}, {}, {f(9)}, {}, {}, ""},
      {"mul", {f(9), f(1)}, {}, {f(9)}, {}, {}, ""},
      {"mul", {f(9), {"f32", "R", 9, 1, true}}, {{9}}, {f(9)}, {}, {}, ""},
      {"activation", {f(9)}, {}, {f(9)}, {{"activation", "\"silu\""}, {"scale", "0.5"}}, {}, ""},
      {"gatedActivation", {f(9), f(9)}, {}, {f(9)}, {{"activation", "\"gelu\""}}, {}, ""},
      {"softcap", {f(9)}, {}, {f(9)}, {{"softcap", "30"}}, {}, ""},
      {"clamp", {f(9)}, {{1}, {1}}, {f(9)}, {}, {}, ""},
      {"rowStatistic",
       {f(9)},
       {},
       {f(1)},
       {{"statistic", "\"inverse_rms\""}, {"eps", "1e-5"}, {"scale", "-2"}},
       {"in0.width"},
       ""},
      {"replaceRows", {f(9), {"f32", "S", 9}, i(1)}, {}, {f(9)}, {}, {"in1.rows", "in1.div"}, ""},
      {"addRows", {f(9), {"f32", "S", 9}, i(1)}, {}, {f(9)}, {}, {"in1.rows", "in1.div"}, ""},
      {"chooseRows", {f(9), f(9), i(1)}, {}, {f(9)}, {{"start", "7"}, {"count", "3"}}, {}, ""},
      {"gatherRows", {{"f32", "S", 9}, i(1)}, {}, {f(9)}, {}, {"in0.rows", "in0.div"}, ""},
      {"gatherRows", {{"f32", "S", 9}, i(4)}, {}, {f(36)}, {}, {"in0.rows", "in0.div"}, ""},
      {"depthwiseRows", {{"f32", "S", 9}, i(4)}, {{4, 9}}, {f(9)}, {}, {"in0.rows", "in0.div"}, ""},
      {"weightedRows", {{"f32", "S", 9}, i(4), f(4)}, {}, {f(9)}, {}, {"in0.rows", "in0.div"}, ""},
      {"weightedRows", {{"f32", "S", 9, 1, true}, i(4), f(4)}, {{30, 9}}, {f(9)}, {}, {"w0.0"}, ""},
      {"regroup", {f(6)}, {}, {{"f32", "R", 24, 4}}, {{"factor", "4"}}, {}, ""},
      {"regroup", {{"f32", "R", 24, 4}}, {}, {f(6)}, {{"split", "4"}}, {}, ""},
      {"convolution",
       {f(4), sizes()},
       {{6, 36}, {6}},
       {{"f32", "R", 6, 4}},
       window_and({{"activation", "\"hard_swish\""}, {"scale", "2"}, {"shift", "1"}}),
       {"in1.rows", "in1.div", "w1.absent"},
       ""},
      {"depthwiseConvolution",
       {f(4), sizes()},
       {{9, 4}, {4}},
       {{"f32", "R", 4, 4}},
       window_and({{"activation", "\"hard_swish\""}}),
       {"in1.rows", "in1.div", "w1.absent"},
       ""},
      {"separableConvolution",
       {f(4), sizes()},
       {{6, 4}, {6}, {9, 4}, {4}},
       {{"f32", "R", 6, 4}},
       window_and({{"innerActivation", "\"hard_swish\""}, {"innerScale", "2"}, {"innerShift", "1"}}),
       {"in1.rows", "in1.div", "w1.absent", "w3.absent"},
       ""},
      {"imageMean", {f(4), sizes()}, {}, {{"f32", "S", 4}}, {}, {"in0.rows", "in0.div"}, ""},
      {"scaleImages", {f(4), sizes(), {"f32", "S", 4}}, {}, {f(4)}, {}, {}, ""},
      {"spread", {{"f32", "R", 12, 4}, sizes()}, {}, {f(3)}, {{"factor", "2"}}, {"in1.rows", "in1.div"}, ""},
      {"spread",
       {{"f32", "R", 12, 4}, sizes()},
       {},
       {f(12)},
       {{"factor", "2"}, {"whole", "true"}},
       {"in1.rows", "in1.div"},
       ""},
      {"bestClass", {f(9)}, {}, {f(2)}, {}, {"in0.width"}, ""},
      {"slice", {f(12)}, {}, {f(6)}, {{"groups", "3"}, {"start", "2"}, {"count", "2"}}, {}, ""},
      {"concat", {f(6), f(9)}, {}, {f(15)}, {{"groups", "3"}}, {}, ""},
      {"repeat", {f(6)}, {}, {f(18)}, {{"times", "3"}}, {}, ""},
      {"transposeInner", {f(12)}, {}, {f(12)}, {{"m", "3"}}, {}, ""},
      {"shortConv",
       {f(6)},
       {{6, 4}, {6}},
       {f(6)},
       {{"layer", "0"}, {"activation", "\"silu\""}},
       {"w1.absent"},
       ",\"states\":{\"elements\":[18]}"},
      {"gatedDelta",
       {f(6), f(6), f(20), f(4), f(4)},
       {{4}, {4}},
       {f(20)},
       {{"layer", "0"}, {"heads", "4"}, {"kvHeads", "2"}, {"kDim", "3"}, {"vDim", "5"}},
       {},
       ",\"states\":{\"elements\":[60]}"},
      {"route",
       {f(12)},
       {{12}},
       {f(4), i(4)},
       {{"k", "4"},
        {"sigmoidScore", "true"},
        {"normalize", "true"},
        {"scale", "2.5"},
        {"groups", "3"},
        {"topkGroups", "1"}},
       {"w0.absent"},
       ""},
      {"expertLinear", {f(7), i(2)}, {{8, 5, 7}}, {f(10)}, {{"k", "2"}}, {"w0.0"}, ""},
      {"expertLinear", {f(14), i(2)}, {{8, 5, 7}}, {f(10)}, {{"k", "2"}, {"perExpert", "true"}}, {"w0.0"}, ""},
      {"expertSum", {f(14), f(2)}, {}, {f(7)}, {{"k", "2"}}, {}, ""},
  };
}

std::string verdict(const std::string& json) {
  try {
    parse_program(json);
    return "";
  } catch (const Error& error) {
    return error.code() == "INVALID_PROGRAM" ? error.what() : std::string("wrong code ") + error.code();
  }
}

void expect(const Draft& changed, const Draft& draft, const std::string& change) {
  const std::string sentence = verdict(program_json(changed));
  const bool allowed = draft.free.count(change) > 0;
  afterimage::test::check(allowed == sentence.empty() && sentence.rfind("wrong", 0) != 0,
                          draft.op + " with " + change + (allowed ? " was refused: " + sentence : " was accepted"),
                          __FILE__, __LINE__);
}

void change_values(const Draft& draft, bool inputs) {
  const size_t count = inputs ? draft.in.size() : draft.out.size();
  for (size_t k = 0; k < count; ++k) {
    const std::string name = (inputs ? "in" : "out") + std::to_string(k) + ".";
    if ((inputs ? draft.in : draft.out)[k].absent) continue;
    const auto changed = [&](auto change) {
      Draft copy = draft;
      change((inputs ? copy.in : copy.out)[k]);
      return copy;
    };
    expect(changed([](DraftValue& value) { ++value.width; }), draft, name + "width");
    expect(changed([](DraftValue& value) { value.symbol = value.symbol == "R" ? "S" : "R"; }), draft, name + "rows");
    expect(changed([](DraftValue& value) { value.div *= 3; }), draft, name + "div");
    expect(changed([](DraftValue& value) { value.absent = true; }), draft, name + "absent");
    if (draft.op != "regroup")
      expect(changed([](DraftValue& value) { value.dtype = value.dtype == "f32" ? "i32" : "f32"; }), draft,
             name + "dtype");
  }
}

void change_weights(const Draft& draft) {
  for (size_t k = 0; k < draft.weights.size(); ++k) {
    const std::string name = "w" + std::to_string(k) + ".";
    for (size_t axis = 0; axis < draft.weights[k].size(); ++axis) {
      Draft copy = draft;
      ++copy.weights[k][axis];
      expect(copy, draft, name + std::to_string(axis));
    }
    Draft rank = draft, absent = draft;
    rank.weights[k].push_back(1);
    expect(rank, draft, name + "rank");
    absent.weights[k].clear();
    expect(absent, draft, name + "absent");
  }
}

void change_attrs(const Draft& draft) {
  const OpSignature& spec = *signature(draft.op);
  for (size_t k = 0; k < draft.attrs.size(); ++k) {
    const auto known = std::find_if(spec.attrs.begin(), spec.attrs.end(),
                                    [&](const AttrSpec& attr) { return attr.name == draft.attrs[k].first; });
    if (!CHECK(known != spec.attrs.end())) continue;
    Draft without = draft, wrong = draft;
    without.attrs.erase(without.attrs.begin() + static_cast<ptrdiff_t>(k));
    if (known->required) expect(without, draft, draft.attrs[k].first + " missing");
    wrong.attrs[k].second = "\"x\"";
    expect(wrong, draft, draft.attrs[k].first + " of the wrong type");
  }
  Draft more = draft;
  more.attrs.emplace_back("weight_offset", "1");
  expect(more, draft, "an unknown attribute");
}

void operators() {
  std::set<std::string> covered;
  for (const Draft& draft : drafts()) {
    covered.insert(draft.op);
    const std::string sentence = verdict(program_json(draft));
    afterimage::test::check(sentence.empty(), draft.op + " was refused: " + sentence, __FILE__, __LINE__);
    change_values(draft, true);
    change_values(draft, false);
    change_weights(draft);
    change_attrs(draft);
    Draft more = draft;
    more.in.resize(6, f(1));
    expect(more, draft, "too many operands");
  }
  CHECK(covered.size() == op_signatures().size());
}

void signatures_follow_the_enumeration() {
  for (size_t k = 0; k < op_signatures().size(); ++k) CHECK(static_cast<size_t>(op_signatures()[k].op) == k);
  CHECK(op_signatures().size() == static_cast<size_t>(Op::BestClass) + 1);
}

const std::string kValues =
    R"("values":[{"name":"x","dtype":"f32","rows":{"symbol":"R"},"width":4},{"name":"y","dtype":"f32","rows":{"symbol":"R"},"width":4},)"
    R"({"name":"z","dtype":"f32","rows":{"symbol":"R"},"width":4}],"weights":[])";

std::string chain(const std::string& ops, const std::string& outputs = "[2]", const std::string& inputs = "[0]") {
  return R"({"name":"vision","inputs":)" + inputs + R"(,"outputs":)" + outputs + "," + kValues + R"(,"ops":[)" + ops +
         "]}";
}

std::string silu(int from, int to) {
  return R"({"op":"activation","in":[)" + std::to_string(from) + R"(],"weights":[],"out":[)" + std::to_string(to) +
         R"(],"attrs":{"activation":"silu"}})";
}

void data_flow() {
  CHECK(verdict(chain(silu(0, 1) + "," + silu(1, 2))).empty());
  CHECK_ERROR("INVALID_PROGRAM", "\"y\" is read before it is written",
              parse_program(chain(silu(1, 2) + "," + silu(0, 1))));
  CHECK_ERROR("INVALID_PROGRAM", "\"y\" is read before it is written",
              parse_program(chain(silu(1, 1) + "," + silu(0, 2))));
  CHECK_ERROR("INVALID_PROGRAM", "\"y\" is written twice",
              parse_program(chain(silu(0, 1) + "," + silu(0, 1) + "," + silu(0, 2))));
  CHECK_ERROR("INVALID_PROGRAM", "\"x\" is written twice",
              parse_program(chain(silu(0, 1) + "," + silu(1, 0) + "," + silu(0, 2))));
  CHECK_ERROR("INVALID_PROGRAM", "\"y\" is never written", parse_program(chain(silu(0, 2))));
  CHECK_ERROR("INVALID_PROGRAM", "no output", parse_program(chain(silu(0, 1) + "," + silu(1, 2), "[]")));
  CHECK_ERROR("INVALID_PROGRAM", "listed twice", parse_program(chain(silu(0, 1) + "," + silu(1, 2), "[2]", "[0,0]")));
  CHECK_ERROR("INVALID_PROGRAM", "integers from 0 to 2", parse_program(chain(silu(0, 1) + "," + silu(1, 2), "[3]")));
  CHECK_ERROR("INVALID_PROGRAM", "integers from -1 to 2", parse_program(chain(silu(0, 3))));
  CHECK_ERROR("INVALID_PROGRAM", "counts rows by \"R\", which no input has",
              parse_program(chain(silu(0, 1) + "," + silu(1, 2), "[2]", "[]")));
  CHECK_ERROR("INVALID_PROGRAM", "unknown kind \"matmul\"",
              parse_program(chain(R"({"op":"matmul","in":[0],"weights":[],"out":[1],"attrs":{}})")));
  CHECK_ERROR("INVALID_PROGRAM", "unknown member \"inputz\"",
              parse_program(chain(R"({"op":"silu","inputz":[0],"weights":[],"out":[1],"attrs":{}})")));
  CHECK_ERROR("INVALID_PROGRAM", "not valid JSON", parse_program("{"));
  CHECK_ERROR("INVALID_PROGRAM", "must be an object", parse_program("[]"));
  CHECK_ERROR("INVALID_PROGRAM", "not valid JSON", parse_program(std::string(1'000'000, '[')));
}

std::string attention(const std::string& in, int layer, int out) {
  return R"({"op":"attention","in":)" + in + R"(,"weights":[],"out":[)" + std::to_string(out) +
         R"(],"attrs":{"layer":)" + std::to_string(layer) + R"(,"heads":2,"kvHeads":2,"kDim":2,"vDim":2,"scale":1}})";
}

void kv_layers() {
  const auto program = [](const std::string& ops, const std::string& layers) {
    return R"({"name":"decoder","inputs":[0],"outputs":[2],)" + kValues + R"(,"ops":[)" + ops +
           R"(],"kv":{"layers":[)" + layers + "]}}";
  };
  const std::string layer = R"({"kvHeads":2,"kDim":2,"vDim":2})";
  CHECK(verdict(program(attention("[0,0,0]", 0, 1) + "," + attention("[1,1,1]", 1, 2), layer + "," + layer)).empty());
  CHECK(verdict(program(attention("[0,0,0]", 0, 1) + "," + attention("[1,-1,-1]", 0, 2), layer)).empty());
  CHECK(verdict(program(attention("[0,0,0]", 0, 1) + "," + attention("[1]", 0, 2), layer)).empty());
  const std::string second = "," + attention("[1,1,1]", 0, 2);
  CHECK_ERROR("INVALID_PROGRAM", "KV layer 0 is written twice",
              parse_program(program(attention("[0,0,0]", 0, 1) + second, layer)));
  CHECK_ERROR("INVALID_PROGRAM", "KV layer 0 is read before",
              parse_program(program(attention("[0]", 0, 1) + second, layer)));
  CHECK_ERROR("INVALID_PROGRAM", "KV layer 3 is not declared",
              parse_program(program(attention("[0,0,0]", 3, 1) + second, layer)));
  CHECK_ERROR("INVALID_PROGRAM", "k and v together",
              parse_program(program(attention("[0,0,-1]", 0, 1) + second, layer)));
  CHECK_ERROR("INVALID_PROGRAM", "declared with other heads",
              parse_program(program(attention("[0,0,0]", 0, 1) + second, R"({"kvHeads":2,"kDim":3,"vDim":2})")));
}

void weights() {
  const auto program = [](const std::string& weight) {
    return R"({"name":"vision","inputs":[0],"outputs":[1],"values":[{"name":"x","dtype":"f32","rows":{"constant":3},"width":64},)"
           R"({"name":"y","dtype":"f32","rows":{"constant":3},"width":4}],"weights":[{"name":"w","shape":[4,64],"tensors":["t"])" +
           weight + R"(}],"ops":[{"op":"linear","in":[0],"weights":[0],"out":[1],"attrs":{}}]})";
  };
  const auto repeated = [&](const std::string& tensors, const std::string& values) {
    return R"({"name":"vision","inputs":[0],"outputs":[1],"values":[{"name":"x","dtype":"f32","rows":{"constant":3},"width":2},)"
           R"({"name":"y","dtype":"f32","rows":{"constant":3},"width":4}],"weights":[{"name":"w","shape":[4,2],"tensors":[)" +
           tensors + "],\"values\":[" + values +
           R"(]}],"ops":[{"op":"linear","in":[0],"weights":[0],"out":[1],"attrs":{}}]})";
  };
  CHECK(parse_program(repeated("", "1,0.5")).weights[0].values == (std::vector<float>{1, 0.5f}));
  CHECK_ERROR("INVALID_PROGRAM", "one value for each of its 2 columns", parse_program(repeated("", "1")));
  CHECK_ERROR("INVALID_PROGRAM", "names no tensor", parse_program(repeated("", "")));
  CHECK_ERROR("INVALID_PROGRAM", "finite numbers", parse_program(repeated("", "1,1e300")));
  CHECK_ERROR("INVALID_PROGRAM", "names tensors besides", parse_program(repeated(R"("t")", "1,0")));
  const auto quantized = [&](const std::string& rest) { return program(R"(,"quantization":{)" + rest + "}"); };
  CHECK(verdict(program("")).empty());
  CHECK(parse_program(program("")).weights[0].uses == (kUseMatrix | kUseInEncoder));
  CHECK(parse_program(R"({"name":"decoder","inputs":[0],"outputs":[2],"values":[)"
                      R"({"name":"x","dtype":"f32","rows":{"symbol":"R"},"width":4},)"
                      R"({"name":"y","dtype":"f32","rows":{"symbol":"R"},"width":4},)"
                      R"({"name":"z","dtype":"f32","rows":{"symbol":"R"},"width":2}],)"
                      R"("weights":[{"name":"w","shape":[2,4],"tensors":["t"]}],)"
                      R"("kv":{"layers":[{"kvHeads":2,"kDim":2,"vDim":2}]},"ops":[)" +
                      attention("[0,0,0]", 0, 1) + R"(,{"op":"linear","in":[1],"weights":[0],"out":[2],"attrs":{}}]})")
            .weights[0]
            .uses == kUseMatrix);
  CHECK(verdict(quantized(R"("mode":"affine","bits":4,"group":64,"scales":["s"],"biases":["b"])")).empty());
  CHECK(verdict(quantized(R"("mode":"nvfp4","bits":4,"group":16,"scales":["s"])")).empty());
  CHECK(verdict(quantized(R"("mode":"fp8_block","bits":8,"group":0,"block":[128,128],"scales":["s"])")).empty());
  CHECK_ERROR("INVALID_PROGRAM", "no 7 bits",
              parse_program(quantized(R"("mode":"affine","bits":7,"group":64,"scales":["s"],"biases":["b"])")));
  CHECK_ERROR("INVALID_PROGRAM", "no groups of 16",
              parse_program(quantized(R"("mode":"affine","bits":4,"group":16,"scales":["s"],"biases":["b"])")));
  CHECK_ERROR("INVALID_PROGRAM", "not groups of 128",
              parse_program(quantized(R"("mode":"affine","bits":4,"group":128,"scales":["s"],"biases":["b"])")));
  CHECK_ERROR("INVALID_PROGRAM", "1 tensors of biases",
              parse_program(quantized(R"("mode":"affine","bits":4,"group":64,"scales":["s"])")));
  CHECK_ERROR("INVALID_PROGRAM", "one tensor of scales",
              parse_program(quantized(R"("mode":"affine","bits":4,"group":64,"scales":[],"biases":["b"])")));
  CHECK_ERROR("INVALID_PROGRAM", "unknown quantization \"q4\"",
              parse_program(quantized(R"("mode":"q4","bits":4,"group":64,"scales":["s"])")));
  CHECK_ERROR("INVALID_PROGRAM", "needs \"block\"",
              parse_program(quantized(R"("mode":"fp8_block","bits":8,"group":0,"scales":["s"])")));
  CHECK_ERROR("INVALID_PROGRAM", "name every axis once", parse_program(program(R"(,"permute":[0,0])")));
  CHECK_ERROR(
      "INVALID_PROGRAM", "cannot be permuted",
      parse_program(program(R"(,"permute":[1,0],"quantization":{"mode":"nvfp4","bits":4,"group":16,"scales":["s"]})")));
}

void row_counts() {
  const RowCount rows{"patches", 2, 3};
  CHECK(rows.resolve({{"patches", 9}}) == 6);
  CHECK((rows.divided(2) == RowCount{"patches", 1, 3}));
  CHECK(rows.text() == "patches·2/3");
  CHECK_ERROR("INVALID_ARGUMENT", "makes patches·2/3 a whole number", rows.resolve({{"patches", 10}}));
  CHECK_ERROR("INVALID_ARGUMENT", "\"patches\" is not given", rows.resolve({{"tokens", 10}}));
  CHECK_ERROR("INVALID_ARGUMENT", "received -3", rows.resolve({{"patches", -3}}));
}

}  // namespace

int main() {
  signatures_follow_the_enumeration();
  operators();
  data_flow();
  kv_layers();
  weights();
  row_counts();
  return afterimage::test::finish();
}
