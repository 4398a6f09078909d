// Random programs over the operators of the naive backend, with their weights and inputs, and a reference that runs
// every operator into memory of its own.
#pragma once
#include <map>
#include <random>

#include "graph/executor.h"
#include "graph_naive_backend.h"
#include "weights_file.h"

namespace afterimage::test {

class RandomProgram {
 public:
  RandomProgram(uint32_t seed, int operators) : random_(seed) {
    program.name = "random";
    for (const char* symbol : {"R", "S"}) {
      ids_[symbol] = input(std::string("ids.") + symbol, DType::i32, {symbol});
      for (int64_t width : {4, 6})
        values_.push_back(input(std::string("x.") + symbol + std::to_string(width), DType::f32, {symbol}, width));
      for (const RowCount& from : {RowCount{"R"}, RowCount{"R", 1, 2}}) {
        index_[{from.text(), symbol}] = input("index." + from.text() + "." + symbol, DType::i32, {symbol});
        taps_[{from.text(), symbol}] = input("taps." + from.text() + "." + symbol, DType::i32, {symbol}, 3);
      }
    }
    optional_ = input("optional", DType::i32, {"R"});
    segments_ = input("segments", DType::i32, {"segments"});
    for (int i = 0; i < operators; ++i) grow();
    program.outputs = {values_.back()};
    for (int i = 0; i < 2; ++i) {
      const int32_t extra = pick();
      if (std::count(program.outputs.begin(), program.outputs.end(), extra) == 0) program.outputs.push_back(extra);
    }
    verify_program(program);
  }

  std::string weight_file() {
    std::vector<FileTensor> tensors;
    for (const WeightRecipe& weight : program.weights) {
      int64_t count = 1;
      for (int64_t axis : weight.shape) count *= axis;
      std::vector<float> data;
      for (int64_t i = 0; i < count; ++i) data.push_back(number());
      tensors.push_back({weight.name, "F32", weight.shape, bytes_of(data)});
    }
    return safetensors(tensors);
  }

  // Inputs for R = `r` (even) and S = `s`; the data lives in this object.
  std::vector<Binding> bind(int64_t r, int64_t s) {
    counts = {{"R", r}, {"S", s}, {"segments", 4}};
    std::vector<Binding> bindings;
    for (int32_t index : program.inputs) {
      const Value& value = program.values[static_cast<size_t>(index)];
      const int64_t rows = value.rows.resolve(counts);
      std::vector<uint32_t>& data = data_[value.name];
      data.clear();
      for (int64_t i = 0; i < rows * value.width; ++i) data.push_back(element(value, i, r, s));
      bindings.push_back({value.name, rows, data.data(), {}});
    }
    return bindings;
  }

  // Every value, computed by the program's own operators one after the other.
  std::map<std::string, std::vector<float>> reference(const std::vector<Binding>& bindings, Checkpoint& checkpoint) {
    NaiveBackend backend;
    std::vector<std::unique_ptr<Weight>> weights;
    for (const WeightRecipe& recipe : program.weights)
      weights.push_back(backend.prepare(checkpoint.source(recipe), recipe.uses, Precision::exact));
    std::vector<std::unique_ptr<Memory>> memory;
    std::vector<Tensor> tensors;
    for (const Value& value : program.values) {
      const int64_t rows = value.rows.resolve(counts);
      memory.push_back(backend.allocate(static_cast<size_t>(rows * value.width * 4 + 64)));
      tensors.push_back({memory.back().get(), 0, rows, value.width, value.dtype});
    }
    for (size_t i = 0; i < bindings.size(); ++i) {
      const Tensor& tensor = tensors[static_cast<size_t>(program.inputs[i])];
      std::memcpy(tensor.at<float>(), bindings[i].host, tensor.bytes());
    }
    const std::atomic<bool> cancel{false};
    for (const OpNode& op : program.ops) {
      Dispatch dispatch{op.op, &op.attrs, {}, {}, {nullptr, nullptr}, nullptr};
      for (size_t i = 0; i < op.in.size(); ++i)
        dispatch.in[i] = op.in[i] < 0 ? Tensor{} : tensors[static_cast<size_t>(op.in[i])];
      for (size_t i = 0; i < op.weights.size(); ++i)
        dispatch.weights[i] = op.weights[i] < 0 ? nullptr : weights[static_cast<size_t>(op.weights[i])].get();
      dispatch.out[0] = tensors[static_cast<size_t>(op.out[0])];
      if (op.op == Op::Regroup) {
        std::memcpy(dispatch.out[0].at<float>(), dispatch.in[0].at<float>(), dispatch.out[0].bytes());
      } else if (dispatch.out[0].rows > 0) {
        backend.run({&dispatch, 1}, cancel);
      }
    }
    std::map<std::string, std::vector<float>> results;
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].dtype == DType::i32) continue;
      results[program.values[i].name].assign(tensors[i].at<float>(),
                                             tensors[i].at<float>() + tensors[i].rows * tensors[i].width);
    }
    return results;
  }

  Program program;
  std::map<std::string, int64_t> counts;

 private:
  int64_t below(int64_t end) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(end)); }
  float number() { return static_cast<float>(below(2001) - 1000) / 1000; }

  uint32_t element(const Value& value, int64_t i, int64_t r, int64_t s) {
    if (value.dtype == DType::f32) {
      const float x = number();
      uint32_t bits;
      std::memcpy(&bits, &x, 4);
      return bits;
    }
    if (value.name == "segments")
      return static_cast<uint32_t>(i == 0 ? 0 : i == 3 ? r : r / 3);  // the middle one is empty
    if (value.name == "optional") return static_cast<uint32_t>(s == 0 ? -1 : below(s + 1) - 1);
    if (value.name.rfind("ids", 0) == 0) return static_cast<uint32_t>(below(11));
    const int64_t end = value.name.find("R/2") != std::string::npos ? r / 2 : r;
    return static_cast<uint32_t>(value.name.rfind("taps", 0) == 0 ? below(end + 1) - 1 : below(end));
  }

  int32_t value(const std::string& name, DType dtype, RowCount rows, int64_t width) {
    program.values.push_back({name, dtype, std::move(rows), width});
    return static_cast<int32_t>(program.values.size()) - 1;
  }

  int32_t input(const std::string& name, DType dtype, RowCount rows, int64_t width = 1) {
    program.inputs.push_back(value(name, dtype, std::move(rows), width));
    return program.inputs.back();
  }

  int32_t weight(std::vector<int64_t> shape) {
    WeightRecipe recipe;
    recipe.name = "w" + std::to_string(program.weights.size());
    recipe.shape = std::move(shape), recipe.tensors = {recipe.name};
    program.weights.push_back(recipe);
    return static_cast<int32_t>(program.weights.size()) - 1;
  }

  const Value& at(int32_t index) const { return program.values[static_cast<size_t>(index)]; }

  // Mostly recent values, so that lifetimes of all lengths occur.
  int32_t pick() {
    const int64_t count = static_cast<int64_t>(values_.size()), window = below(3) ? std::min<int64_t>(6, count) : count;
    return values_[static_cast<size_t>(count - 1 - below(window))];
  }

  int32_t partner(int32_t x) {
    std::vector<int32_t> equal;
    for (int32_t candidate : values_) {
      if (at(candidate).rows == at(x).rows && at(candidate).width == at(x).width) equal.push_back(candidate);
    }
    return equal[static_cast<size_t>(below(static_cast<int64_t>(equal.size())))];
  }

  void emit(Op op, std::vector<int32_t> in, std::vector<int32_t> weights, RowCount rows, int64_t width,
            const OpAttrs& attrs = {}) {
    const int32_t out = value("v" + std::to_string(program.values.size()), DType::f32, std::move(rows), width);
    program.ops.push_back({op, std::move(in), std::move(weights), {out}, attrs});
    values_.push_back(out);
  }

  int32_t linear_of(int32_t x) {
    emit(Op::Linear, {x, -1}, {weight({at(x).width, at(x).width}), -1}, at(x).rows, at(x).width);
    return values_.back();
  }

  void grow() {
    const int32_t x = pick();
    const RowCount rows = at(x).rows;
    const int64_t width = at(x).width;
    OpAttrs attrs;
    attrs.activation = static_cast<Activation>(1 + below(7));
    attrs.eps = 1e-5f;
    switch (below(16)) {
      case 0:
      case 1: {  // Linear, then often an activation or a residual
        const int64_t out = below(2) ? width : 1 + below(9);
        emit(Op::Linear, {x, -1}, {weight({out, width}), below(2) ? weight({out}) : -1}, rows, out);
        const int32_t y = values_.back();
        if (below(2)) emit(Op::Activation, {y}, {}, rows, out, attrs);
        if (below(2))
          emit(Op::Add,
               below(2) ? std::vector<int32_t>{values_.back(), partner(y)}
                        : std::vector<int32_t>{partner(y), values_.back()},
               {-1}, rows, out);
        return;
      }
      case 2:
        return emit(Op::Activation, {x}, {}, rows, width, attrs);
      case 3:
        return emit(Op::Add, {x, partner(x)}, {-1}, rows, width);
      case 4:
        return emit(Op::GatedActivation, {x, partner(x)}, {}, rows, width, attrs);
      case 5: {
        attrs.start = static_cast<int32_t>(below(width));
        attrs.count = static_cast<int32_t>(1 + below(width - attrs.start));
        return emit(Op::Slice, {x}, {}, rows, attrs.count, attrs);
      }
      case 6:
        return width > 20 ? grow() : emit(Op::Concat, {x, partner(x)}, {}, rows, 2 * width);
      case 7: {
        attrs.times = 3;
        return width > 12 ? grow() : emit(Op::Repeat, {x}, {}, rows, 3 * width, attrs);
      }
      case 8: {
        attrs.m = width % 2 ? 1 : 2;
        return emit(Op::TransposeInner, {x}, {}, rows, width, attrs);
      }
      case 9: {
        attrs.factor = rows == RowCount{"R"} ? 2 : 1;
        attrs.split = rows == RowCount{"R", 1, 2} && width % 2 == 0 ? 2 : 1;
        if (attrs.split == 2) return emit(Op::Regroup, {x}, {}, rows.multiplied(2), width / 2, attrs);
        return width > 20 ? grow()
                          : emit(Op::Regroup, {x}, {}, rows.divided(attrs.factor), width * attrs.factor, attrs);
      }
      case 10: {
        if (rows.symbol == "S") return grow();
        const std::string to = below(2) ? "R" : "S";
        const int32_t taps = taps_[{rows.text(), to}];
        if (width < 10 && below(2)) return emit(Op::GatherRows, {x, taps}, {}, {to}, width * 3);
        if (below(3) == 0) return emit(Op::DepthwiseRows, {x, taps}, {weight({3, width})}, {to}, width);
        return emit(Op::GatherRows, {x, index_[{rows.text(), to}]}, {}, {to}, width);
      }
      case 11: {
        if (!(rows == RowCount{"R"})) return grow();
        emit(Op::Embedding, {ids_["S"]}, {weight({11, width})}, {"S"}, width);
        return emit(below(2) ? Op::ReplaceRows : Op::AddRows, {x, values_.back(), optional_}, {}, rows, width);
      }
      case 12:
        return emit(Op::RmsNorm, {x}, {-1}, rows, width, attrs);
      case 13: {
        if (!(rows == RowCount{"R"})) return grow();
        attrs.k_dim = attrs.v_dim = static_cast<int32_t>(width);
        return emit(Op::SegmentAttention, {x, partner(x), partner(x), segments_, -1}, {}, rows, width, attrs);
      }
      case 14:
        return emit(Op::Add, {x, -1}, {weight({width})}, rows, width);
      default: {
        attrs.count = 1;
        emit(Op::Slice, {x}, {}, rows, 1, attrs);
        const int32_t column = values_.back();
        if (below(2)) return emit(Op::Mul, {x, column}, {-1}, rows, width);
        const int32_t a = below(2) ? x : linear_of(x);  // one that a Linear could take for its residual
        return emit(Op::Add, {a, column}, {-1}, rows, width);
      }
    }
  }

  std::mt19937 random_;
  std::vector<int32_t> values_;
  std::map<std::string, int32_t> ids_;
  std::map<std::pair<std::string, std::string>, int32_t> index_, taps_;
  std::map<std::string, std::vector<uint32_t>> data_;
  int32_t optional_ = -1, segments_ = -1;
};

}  // namespace afterimage::test
