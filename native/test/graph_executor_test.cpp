// The executor against a reference that gives every value memory of its own: random programs, row counts, tiles and
// taps, bit for bit. Then memory prediction, errors, cancellation and what is skipped.
#include <algorithm>

#include "graph/executor.h"
#include "graph_check.h"
#include "graph_random_program.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

const std::atomic<bool> kGo{false};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * 4) == 0);
}

void random_program(uint32_t seed) {
  RandomProgram random(seed, 40);
  const TemporaryFile file(random.weight_file());
  Checkpoint checkpoint({file.path()});
  NaiveBackend backend;
  Executor executor(random.program, checkpoint, backend, Precision::exact, nullptr);
  const std::pair<int64_t, int64_t> sizes[] = {{34, 5}, {2, 0}, {6, 33}, {128, 1}};
  for (const auto& [r, s] : sizes) {
    const std::vector<Binding> bindings = random.bind(r, s);
    const auto expected = random.reference(bindings, checkpoint);
    for (int64_t tile : {1, 7, 16, 1000}) {
      executor.set_row_tile(tile);
      std::vector<std::string> taps;
      if (tile == 7)
        taps = {random.program.values[random.program.values.size() / 2].name,
                random.program.values[random.program.values.size() * 3 / 4].name};
      if (tile == 16) {
        for (const Value& value : random.program.values) {
          if (value.dtype == DType::f32) taps.push_back(value.name);
        }
      }
      executor.release_scratch();
      const std::vector<HostTensor> results = executor.run({bindings, nullptr, taps}, kGo);
      CHECK(results.size() == random.program.outputs.size() + taps.size());
      for (const HostTensor& result : results) {
        check(same_bits(result.data, expected.at(result.name)),
              "seed " + std::to_string(seed) + ", tile " + std::to_string(tile) + ", R " + std::to_string(r) + ": " +
                  result.name + " differs",
              __FILE__, __LINE__);
      }
      if (taps.empty()) CHECK(executor.predict_bytes(random.counts) == executor.scratch_bytes());
    }
  }
}

Program parse(const std::string& inputs, const std::string& outputs, const std::string& values, const std::string& ops,
              const std::string& weights = "", const std::string& rest = "") {
  return parse_program("{\"name\":\"decoder\",\"inputs\":" + inputs + ",\"outputs\":" + outputs + ",\"values\":[" +
                       values + "],\"weights\":[" + weights + "],\"ops\":[" + ops + "]" + rest + "}");
}

std::string value(const std::string& name, int64_t width, const std::string& rows = "{\"symbol\":\"rows\"}",
                  const char* dtype = "f32") {
  return "{\"name\":\"" + name + "\",\"dtype\":\"" + dtype + "\",\"rows\":" + rows +
         ",\"width\":" + std::to_string(width) + "}";
}

std::string op(const std::string& name, const std::string& in, int out, const std::string& attrs = "",
               const std::string& weights = "") {
  return "{\"op\":\"" + name + "\",\"in\":[" + in + "],\"weights\":[" + weights + "],\"out\":[" + std::to_string(out) +
         "],\"attrs\":{" + attrs + "}}";
}

const std::string kSilu = "\"activation\":\"silu\"";

// x → 49 activations → y: two whole values, and two tiles that take turns.
void chain_needs_two_tiles() {
  std::string values = value("x", 64), ops;
  for (int i = 1; i < 50; ++i) {
    values += "," + value("v" + std::to_string(i), 64);
    ops += (i > 1 ? "," : "") + op("activation", std::to_string(i - 1), i, kSilu);
  }
  const TemporaryFile file(safetensors({}));
  Checkpoint checkpoint({file.path()});
  NaiveBackend backend;
  Executor executor(parse("[0]", "[49]", values, ops), checkpoint, backend, Precision::exact, nullptr);
  const size_t row = 64 * 4;
  CHECK(executor.predict_bytes({{"rows", 1000}}) == (2 * 1000 + 2 * 256) * row);
  CHECK(executor.predict_bytes({{"rows", 256}}) == 2 * 256 * row);
  const std::vector<std::string> device = {"x"};
  CHECK(executor.predict_bytes({{"rows", 1000}}, device) == (1000 + 2 * 256) * row);
  CHECK(executor.predict_bytes({{"rows", 0}}) == 0);
  std::vector<float> x(64 * 1000, 0.5f);
  executor.run({{{"x", 1000, x.data(), {}}}, nullptr, {}}, kGo);
  CHECK(executor.scratch_bytes() == (2 * 1000 + 2 * 256) * row);
  CHECK(backend.runs == 1 && backend.dispatches == 49 * 4 && backend.largest_rows == 256);
  executor.run({{{"x", 10, x.data(), {}}}, nullptr, {}}, kGo);
  executor.run({{{"x", 1000, x.data(), {}}}, nullptr, {}}, kGo);
  CHECK(backend.allocations == 1);
  executor.set_row_tile(1);  // more dispatches than one submission takes
  for (int i = 0; i < 2; ++i) {
    backend.runs = backend.dispatches = 0;
    executor.run({{{"x", 200, x.data(), {}}}, nullptr, {}}, kGo);
    CHECK(backend.runs == 3 && backend.dispatches == 49 * 200);
  }
  CHECK_ERROR("INVALID_ARGUMENT", "at least 1", executor.set_row_tile(0));
  CHECK_ERROR("INVALID_ARGUMENT", "\"rows\" is not given", executor.predict_bytes({}));
  CHECK_ERROR("OUT_OF_MEMORY", "smaller image", [&] {
    Executor wide(parse("[0]", "[1]", value("x", 1 << 20) + "," + value("y", 1 << 20), op("activation", "0", 1, kSilu)),
                  checkpoint, backend, Precision::exact, nullptr);
    wide.predict_bytes({{"rows", 1 << 30}});
  }());
}

struct Mlp {
  Mlp()
      : file(safetensors({{"up", "F32", {6, 4}, bytes_of(std::vector<float>(24, 0.3f))},
                          {"down", "F32", {4, 6}, bytes_of(std::vector<float>(24, -0.2f))},
                          {"b", "F32", {6}, bytes_of(std::vector<float>(6, 0.1f))}})),
        checkpoint({file.path()}) {
    const std::string weights =
        R"({"name":"up","shape":[6,4],"tensors":["up"]},{"name":"b","shape":[6],"tensors":["b"]},{"name":"down","shape":[4,6],"tensors":["down"]})";
    program =
        parse("[0]", "[4]",
              value("x", 4) + "," + value("h", 6) + "," + value("a", 6) + "," + value("d", 4) + "," + value("y", 4),
              op("linear", "0", 1, "", "0,1") + "," + op("activation", "1", 2, kSilu) + "," +
                  op("linear", "2", 3, "", "2") + "," + op("add", "0,3", 4),
              weights);
  }
  TemporaryFile file;
  Checkpoint checkpoint;
  Program program;
};

void fusion() {
  Mlp mlp;
  NaiveBackend backend;
  std::vector<size_t> progress;
  Executor executor(mlp.program, mlp.checkpoint, backend, Precision::exact, [&](size_t done, size_t total) {
    CHECK(total == (24 + 24 + 6) * 4);
    progress.push_back(done);
  });
  CHECK((progress == std::vector<size_t>{96, 120, 216}));
  CHECK(executor.weight_bytes() == 216);
  CHECK((backend.seen_uses == std::set<uint32_t>{kUseMatrix | kUseInEncoder, kUseVector}));
  std::vector<float> x = {1, -2, 3, 0.5f, 0, 1, 2, 3};
  const std::vector<Binding> bindings = {{"x", 2, x.data(), {}}};
  const HostTensor fused = executor.run({bindings, nullptr, {}}, kGo)[0];
  CHECK((backend.kinds == std::vector<Op>{Op::Linear, Op::Linear}));
  backend.kinds.clear();
  const std::vector<std::string> all = {"h", "a", "d"}, last = {"d"};
  const std::vector<HostTensor> tapped = executor.run({bindings, nullptr, all}, kGo);
  CHECK((backend.kinds == std::vector<Op>{Op::Linear, Op::Activation, Op::Linear, Op::Add}));
  CHECK(same_bits(tapped[0].data, fused.data) && tapped[1].name == "h" && tapped[1].width == 6 && tapped[1].rows == 2);
  backend.kinds.clear();
  CHECK(same_bits(executor.run({bindings, nullptr, last}, kGo)[0].data, fused.data));
  CHECK((backend.kinds == std::vector<Op>{Op::Linear, Op::Linear, Op::Add}));
}

// The residual comes from an operator after the Linear, on either side of the sum: it cannot be joined.
void late_residual() {
  Mlp mlp;
  for (const char* sum : {"1,2", "2,1"}) {
    const Program program =
        parse("[0]", "[3]", value("x", 4) + "," + value("l", 4) + "," + value("s", 4) + "," + value("y", 4),
              op("linear", "0", 1, "", "0") + "," + op("activation", "0", 2, kSilu) + "," + op("add", sum, 3),
              R"({"name":"up","shape":[4,4],"tensors":["up"],"slice":{"axis":0,"start":1,"count":4}})");
    NaiveBackend backend;
    Executor executor(program, mlp.checkpoint, backend, Precision::exact, nullptr);
    std::vector<float> x = {1, -2, 3, 0.5f};
    const float y = executor.run({{{"x", 1, x.data(), {}}}, nullptr, {}}, kGo)[0].data[0];
    CHECK((backend.kinds == std::vector<Op>{Op::Linear, Op::Activation, Op::Add}));
    CHECK(std::abs(y - (2.5f * 0.3f + naive_activation(Activation::silu, 1))) < 1e-6f);
  }
}

// Decode steps reuse what the step before has built; the batch, the inputs and their places may change under it.
void repeated_runs() {
  Mlp mlp;
  NaiveBackend backend;
  Executor executor(mlp.program, mlp.checkpoint, backend, Precision::exact, nullptr);
  std::vector<float> x = {1, -2, 3, 0.5f, 2, 2, 2, 2};
  NaiveMemory first(32), second(32);
  std::memcpy(first.host(), x.data(), 32);
  std::memcpy(second.host(), x.data() + 4, 16);
  const auto host = [&](const float* data) { return executor.run({{{"x", 1, data, {}}}, nullptr, {}}, kGo)[0].data; };
  const auto device = [&](NaiveMemory& memory, size_t offset) {
    return executor.run({{{"x", 0, nullptr, {&memory, offset, 1, 4, DType::f32}}}, nullptr, {}}, kGo)[0].data;
  };
  const std::vector<float> a = host(x.data()), b = host(x.data() + 4);
  CHECK(!same_bits(a, b));
  CHECK(same_bits(host(x.data()), a) && same_bits(device(first, 0), a) && same_bits(device(second, 0), b));
  CHECK(same_bits(device(first, 16), b) && same_bits(device(first, 0), a) && same_bits(host(x.data() + 4), b));
  executor.release_scratch();
  CHECK(same_bits(host(x.data()), a));
}

void profile() {
  Mlp mlp;
  NaiveBackend backend;
  Executor executor(mlp.program, mlp.checkpoint, backend, Precision::exact, nullptr);
  executor.set_profile(true);
  std::vector<float> x(4, 1);
  executor.run({{{"x", 1, x.data(), {}}}, nullptr, {}}, kGo);
  const std::vector<OpTime> times = executor.profile();
  CHECK(times.size() == 1 && times[0].op == "linear" && times[0].runs == 2 && times[0].ms > 0);
}

void bindings() {
  Mlp mlp;
  NaiveBackend backend;
  Executor executor(mlp.program, mlp.checkpoint, backend, Precision::exact, nullptr);
  std::vector<float> x(12, 1);
  const auto run = [&](std::vector<Binding> given, std::span<const std::string> taps = {}) {
    return executor.run({std::move(given), nullptr, taps}, kGo);
  };
  CHECK_ERROR("INVALID_ARGUMENT", "\"x\" of program \"decoder\" is not bound", run({}));
  CHECK_ERROR("INVALID_ARGUMENT", "has no input \"y\"", run({{"y", 1, x.data(), {}}}));
  CHECK_ERROR("INVALID_ARGUMENT", "\"x\" is bound twice", run({{"x", 1, x.data(), {}}, {"x", 1, x.data(), {}}}));
  CHECK_ERROR("INVALID_ARGUMENT", "Expected data for input \"x\"", run({{"x", 1, nullptr, {}}}));
  CHECK_ERROR("INVALID_ARGUMENT", "Expected data", run({{"x", -1, x.data(), {}}}));
  const std::vector<std::string> unknown = {"nothing"}, input = {"x"};
  CHECK_ERROR("INVALID_ARGUMENT", "no value \"nothing\" to tap", run({{"x", 1, x.data(), {}}}, unknown));
  CHECK((run({{"x", 1, x.data(), {}}}, input)[1].data == std::vector<float>{1, 1, 1, 1}));
  CHECK(run({{"x", 0, nullptr, {}}})[0].rows == 0);
  const auto write = [](float* out) { std::fill_n(out, 4, 1.0f); };
  CHECK((run({{"x", 1, nullptr, {}, write}}, input)[1].data == std::vector<float>{1, 1, 1, 1}));

  NaiveMemory memory(64);
  std::memcpy(memory.host(), x.data(), 48);
  const Tensor tensor{&memory, 16, 3, 4, DType::f32};
  CHECK(same_bits(run({{"x", 0, nullptr, tensor}})[0].data, run({{"x", 3, x.data(), {}}})[0].data) ==
        false);  // bytes 48… are NaN
  const Tensor aligned{&memory, 0, 3, 4, DType::f32};
  CHECK(same_bits(run({{"x", 0, nullptr, aligned}})[0].data, run({{"x", 3, x.data(), {}}})[0].data));
  CHECK_ERROR("INVALID_ARGUMENT", "received a tensor of width 5",
              run({{"x", 0, nullptr, {&memory, 0, 2, 5, DType::f32}}}));
  CHECK_ERROR("INVALID_ARGUMENT", "inside its memory of 64 bytes",
              run({{"x", 0, nullptr, {&memory, 32, 3, 4, DType::f32}}}));
  CHECK_ERROR("INVALID_ARGUMENT", "inside its memory", run({{"x", 0, nullptr, {&memory, 100, 1, 4, DType::f32}}}));
}

void indices() {
  const TemporaryFile file(safetensors({}));
  Checkpoint checkpoint({file.path()});
  NaiveBackend backend;
  const std::string half = "{\"symbol\":\"rows\",\"div\":2}";
  Executor executor(
      parse("[0,1,2,3]", "[4,5]",
            value("x", 4) + "," + value("pick", 1, half, "i32") + "," +
                value("insert", 1, "{\"symbol\":\"rows\"}", "i32") + "," +
                value("segments", 1, "{\"symbol\":\"segments\"}", "i32") + "," + value("y", 4, half) + "," +
                value("z", 4) + "," + value("u", 4),
            op("gatherRows", "0,1", 4) + "," + op("addRows", "0,4,2", 6) + "," +
                op("segmentAttention", "6,6,6,3", 5, "\"heads\":1,\"kvHeads\":1,\"kDim\":4,\"vDim\":4,\"scale\":1")),
      checkpoint, backend, Precision::exact, nullptr);
  std::vector<float> x(16, 1);
  const auto run = [&](std::vector<int32_t> pick, std::vector<int32_t> insert, std::vector<int32_t> segments) {
    const auto rows = [](const auto& list) { return static_cast<int64_t>(list.size()); };
    return executor.run({{{"x", 4, x.data(), {}},
                          {"pick", rows(pick), pick.data(), {}},
                          {"insert", rows(insert), insert.data(), {}},
                          {"segments", rows(segments), segments.data(), {}}},
                         nullptr,
                         {}},
                        kGo);
  };
  const auto write = [](float*) {};
  CHECK_ERROR("INVALID_ARGUMENT", "Expected integers for input \"pick\" but received floats",
              executor.run({{{"x", 4, x.data(), {}},
                             {"pick", 2, nullptr, {}, write},
                             {"insert", 0, nullptr, {}},
                             {"segments", 0, nullptr, {}}},
                            nullptr,
                            {}},
                           kGo));
  CHECK(run({3, 0}, {-1, 1, -9, 0}, {0, 1, 1, 4}).size() == 2);
  CHECK_ERROR("INVALID_ARGUMENT", "\"pick\" to name rows below 4 but received 4 at position 1",
              run({0, 4}, {-1, 1, -1, 0}, {0, 4}));
  CHECK(run({-1, 0}, {-1, 1, -1, 0}, {0, 4}).size() == 2);
  CHECK_ERROR("INVALID_ARGUMENT", "received -2 at position 0", run({-2, 0}, {-1, 1, -1, 0}, {0, 4}));
  CHECK_ERROR("INVALID_ARGUMENT", "\"insert\" to name rows below 2 but received 2",
              run({0, 0}, {-1, 2, -1, 0}, {0, 4}));
  CHECK_ERROR("INVALID_ARGUMENT", "\"segments\" to ascend from 0 to 4", run({0, 0}, {-1, 1, -1, 0}, {0, 3}));
  CHECK_ERROR("INVALID_ARGUMENT", "\"segments\" to ascend", run({0, 0}, {-1, 1, -1, 0}, {1, 4}));
  CHECK_ERROR("INVALID_ARGUMENT", "\"segments\" to ascend", run({0, 0}, {-1, 1, -1, 0}, {0, 3, 2, 4}));
  CHECK_ERROR("INVALID_ARGUMENT", "\"segments\" to ascend", run({0, 0}, {-1, 1, -1, 0}, {}));
  CHECK_ERROR("INVALID_ARGUMENT", "Expected 2 rows of \"pick\", as \"x\" implies, but received 3",
              run({0, 0, 0}, {-1, 1, -1, 0}, {0, 4}));
}

// norm → attention (writes the cache) → linear → gather of the rows whose logits are wanted → linear
Program decoder() {
  const std::string logits = "{\"symbol\":\"logits\"}";
  return parse(
      "[0,1]", "[6]",
      value("x", 4) + "," + value("logit_rows", 1, logits, "i32") + "," + value("n", 4) + "," + value("a", 4) + "," +
          value("o", 4) + "," + value("g", 4, logits) + "," + value("logits", 3, logits),
      op("rmsNorm", "0", 2, "\"eps\":1e-6") + "," +
          op("attention", "2,2,2", 3, "\"layer\":0,\"heads\":2,\"kvHeads\":2,\"kDim\":2,\"vDim\":2,\"scale\":1") + "," +
          op("linear", "3,0", 4, "", "0") + "," + op("gatherRows", "4,1", 5) + "," + op("linear", "5", 6, "", "1"),
      R"({"name":"o","shape":[4,4],"tensors":["o"]},{"name":"head","shape":[3,4],"tensors":["head"]})",
      R"(,"kv":{"layers":[{"kvHeads":2,"kDim":2,"vDim":2}]})");
}

struct Batch {
  explicit Batch(int32_t rows, int64_t first_position = 0)
      : layout({{2, 2, 2}}, KvType::f32),
        block(layout.block_bytes()),
        blocks(static_cast<size_t>((first_position + rows + 63) / 64), &block) {
    batch.sequences = {{0, rows, first_position, blocks, nullptr}};
    for (int32_t i = 0; i < rows; ++i) batch.visible_end.push_back(static_cast<int32_t>(first_position) + i + 1);
    batch.kv = &layout;
  }
  KvLayout layout;
  NaiveMemory block;
  std::vector<Memory*> blocks;
  RowBatch batch;
};

void decoding() {
  const TemporaryFile file(safetensors({{"o", "F32", {4, 4}, bytes_of(std::vector<float>(16, 0.5f))},
                                        {"head", "F32", {3, 4}, bytes_of(std::vector<float>(12, 0.25f))}}));
  Checkpoint checkpoint({file.path()});
  NaiveBackend backend;
  Executor executor(decoder(), checkpoint, backend, Precision::exact, nullptr);
  std::vector<float> x(40, 1);
  const std::vector<int32_t> rows = {9, 0};
  const auto run = [&](int64_t logits, const RowBatch* batch) {
    backend.kinds.clear();
    return executor.run({{{"x", 10, x.data(), {}}, {"logit_rows", logits, rows.data(), {}}}, batch, {}}, kGo);
  };
  const Batch ten(10);
  CHECK(run(2, &ten.batch)[0].rows == 2);
  CHECK((backend.kinds == std::vector<Op>{Op::RmsNorm, Op::Attention, Op::Linear, Op::GatherRows, Op::Linear}));
  CHECK(run(0, &ten.batch)[0].rows == 0);  // no logits wanted: what follows the cache is skipped
  CHECK((backend.kinds == std::vector<Op>{Op::RmsNorm, Op::Attention}));

  CHECK_ERROR("INVALID_ARGUMENT", "The row batch is missing", run(1, nullptr));
  const Batch nine(9);
  CHECK_ERROR("INVALID_ARGUMENT", "9 visible ends for 10 rows", run(1, &nine.batch));
  Batch wrong(10);
  wrong.batch.visible_end[4] = 4;
  CHECK_ERROR("INVALID_ARGUMENT", "row 4 at position 4 of sequence 0 see up to 4, outside 5 to 10",
              run(1, &wrong.batch));
  wrong.batch.visible_end[4] = 11;
  CHECK_ERROR("INVALID_ARGUMENT", "see up to 11", run(1, &wrong.batch));
  Batch later(10, 60);
  CHECK(run(1, &later.batch)[0].rows == 1);
  later.batch.sequences[0].blocks = later.batch.sequences[0].blocks.first(1);
  CHECK_ERROR("INVALID_ARGUMENT", "1 blocks for 70 positions", run(1, &later.batch));
  Batch other(10);
  other.layout = KvLayout(std::vector<KvLayer>{{1, 2, 2}}, KvType::f32);
  CHECK_ERROR("INVALID_ARGUMENT", "KV layout of another program", run(1, &other.batch));
  Batch gap(10);
  gap.batch.sequences[0].first_row = 1;
  CHECK_ERROR("INVALID_ARGUMENT", "in order of rows", run(1, &gap.batch));
  gap.batch.sequences[0].first_row = 0, gap.batch.sequences[0].rows = 8;
  CHECK_ERROR("INVALID_ARGUMENT", "covers 8 rows of 10", run(1, &gap.batch));
}

void failures_leave_it_usable() {
  Mlp mlp;
  NaiveBackend backend;
  Executor executor(mlp.program, mlp.checkpoint, backend, Precision::exact, nullptr);
  std::vector<float> x(4000, 1);
  const auto run = [&](const std::atomic<bool>& cancel) {
    return executor.run({{{"x", 1000, x.data(), {}}}, nullptr, {}}, cancel);
  };
  const HostTensor expected = run(kGo)[0];
  const std::atomic<bool> stop{true};
  CHECK_ERROR("CANCELLED", "cancelled", run(stop));
  backend.cancel_at = backend.dispatches + 3;
  CHECK_ERROR("CANCELLED", "cancelled", run(kGo));
  backend.cancel_at = -1;
  CHECK(same_bits(run(kGo)[0].data, expected.data));
  executor.release_scratch();
  CHECK(executor.scratch_bytes() == 0);
  backend.limit = 100;
  CHECK_ERROR("OUT_OF_MEMORY", "limit", run(kGo));
  backend.limit = std::numeric_limits<size_t>::max();
  CHECK(same_bits(run(kGo)[0].data, expected.data));
  CHECK_ERROR("INVALID_CHECKPOINT", "Tensor \"up\" is missing", [&] {
    const TemporaryFile empty(safetensors({}));
    Checkpoint other({empty.path()});
    Executor missing(mlp.program, other, backend, Precision::exact, nullptr);
  }());
}

}  // namespace

int main() {
  for (uint32_t seed = 1; seed <= 40; ++seed) random_program(seed);
  chain_needs_two_tiles();
  fusion();
  late_residual();
  repeated_runs();
  profile();
  bindings();
  indices();
  decoding();
  failures_leave_it_usable();
  return finish();
}
