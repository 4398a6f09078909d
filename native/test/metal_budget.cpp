// Work budgets of every family's largest checkpoint at a picture of 2880 × 1800 (metal_budget.json, made by
// metal/rig/budget/operators.ts), on a device that computes nothing and counts: no dispatch above 20 GFLOP, no command
// buffer above about 50 ms of an M1, by the fake's own judgement.
#include <sys/mman.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <set>

#include "graph/json.h"
#include "metal/rig/fake/fake_metal.h"
#include "metal/work.h"
#include "metal_runs.h"

using namespace metal_test;
namespace fake = rig::fake;

namespace {

// Address space that nothing touches.
class Nothing {
 public:
  explicit Nothing(size_t bytes)
      : bytes_(bytes), start_(::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {}
  ~Nothing() { ::munmap(start_, bytes_); }
  const std::byte* data() const { return static_cast<const std::byte*>(start_); }

 private:
  size_t bytes_;
  void* start_;
};
const Nothing weights(size_t{4} << 30);
std::set<std::string> broken;  // families, on every device

std::unique_ptr<Weight> weight(Backend& backend, WeightFormat format, int64_t outs, int64_t columns,
                               int64_t experts = 1) {
  WeightSource source;
  source.name = "weight";
  source.format = format;
  source.experts = experts;
  source.rows = outs;
  source.columns = columns;
  source.data = source.scales = source.biases = weights.data();
  source.row_bytes = static_cast<size_t>(columns) * 2;
  if (format == WeightFormat::affine) {
    source.bits = 4;
    source.group = 64;
    source.scale_type = ScaleType::bf16;
    source.row_bytes = static_cast<size_t>(columns) / 2;
    source.scale_row_bytes = static_cast<size_t>(columns) / 64 * 2;
  }
  if (format == WeightFormat::f32) source.row_bytes = static_cast<size_t>(columns) * 4;
  const uint32_t use = format == WeightFormat::f32 ? kUseVector : experts > 1 ? kUseExperts : kUseMatrix;
  return backend.prepare(source, use, Precision::exact);
}

class DryRun {
 public:
  explicit DryRun(std::string name) : name_(std::move(name)) {
    fake::reset();
    fake::settings().dry = true;
    fake::settings().broken_families = broken;
    fake::settings().working_set = fake::settings().max_buffer = size_t{64} << 30;
    backend_ = open_alone();
  }
  ~DryRun() {
    for (const std::string& text : fake::violations()) expect(false, name_ + ": " + text);
    backend_.reset();
    fake::reset();
  }
  Tensor tensor(int64_t rows, int64_t width, DType dtype = DType::f32) {
    const Tensor shape{nullptr, 0, rows, width, dtype};
    memory_.push_back(backend_->allocate(shape.bytes()));
    return {memory_.back().get(), 0, rows, width, dtype};
  }
  Memory* block(size_t bytes) {
    memory_.push_back(backend_->allocate(bytes));
    return memory_.back().get();
  }
  void linear(int64_t rows, int64_t outs, int64_t columns, WeightFormat format) {
    weights_.push_back(weight(*backend_, format, outs, columns));
    Dispatch d{Op::Linear, &attrs, {tensor(rows, columns)}, {tensor(rows, outs)}, {weights_.back().get()}, nullptr};
    list_.push_back(d);
  }
  void add(const Dispatch& d) { list_.push_back(d); }
  Backend& backend() { return *backend_; }
  const Weight* keep(std::unique_ptr<Weight> one) {
    weights_.push_back(std::move(one));
    return weights_.back().get();
  }
  void run() { backend_->run(list_, never); }
  OpAttrs attrs;

 private:
  std::string name_;
  std::unique_ptr<MetalBackend> backend_;
  std::vector<std::unique_ptr<Memory>> memory_;
  std::vector<std::unique_ptr<Weight>> weights_;
  std::vector<Dispatch> list_;
};

int64_t number(const Json& object, const char* key, int64_t absent = 0) {
  const Json* found = object.find(key);
  if (!found) return absent;
  if (const bool* flag = found->boolean()) return *flag;
  const int64_t* value = found->integer();
  expect(value != nullptr, std::string(key) + " is no whole number");
  return value ? *value : absent;
}

std::string word(const Json& object, const char* key) {
  const Json* found = object.find(key);
  const std::string* text = found ? found->string() : nullptr;
  expect(text != nullptr, std::string(key) + " is no text");
  return text ? *text : "";
}

const Json::Array& list(const Json& object, const char* key) {
  static const Json::Array none;
  const Json* found = object.find(key);
  const Json::Array* values = found ? found->array() : nullptr;
  expect(values != nullptr, std::string(key) + " is no list");
  return values ? *values : none;
}

OpAttrs attrs_of(const Json& op) {
  OpAttrs a;
  const auto small = [&](const char* key) { return static_cast<int32_t>(number(op, key)); };
  a.heads = small("heads");
  a.kv_heads = small("kvHeads");
  a.k_dim = small("kDim");
  a.v_dim = small("vDim");
  a.window = small("window");
  a.causal = number(op, "causal") != 0;
  a.k = small("k");
  a.per_expert = number(op, "perExpert") != 0;
  return a;
}

// What the operators of one run need beside themselves.
struct Rows {
  DryRun& dry;
  const RowBatch* batch;  // of decoders
  int32_t layers = 0;     // with keys and values, so far
  std::vector<std::unique_ptr<OpAttrs>> attrs = {};
};

// All rows, and the 256 that the executor takes at once; as they are stored and in 4 bits.
void add_linear(Rows& rows, int64_t count, int64_t outs, int64_t columns) {
  for (const int64_t part : {std::min<int64_t>(count, 256), count}) {
    rows.dry.linear(part, outs, columns, WeightFormat::bf16);
    if (columns % 64 == 0) rows.dry.linear(part, outs, columns, WeightFormat::affine);
  }
}

Tensor boundaries(DryRun& dry, const Json::Array& runs) {
  std::vector<int32_t> edges{0};
  for (const Json& run : runs) {
    const Json::Array& pair = *run.array();
    for (int64_t i = 0; i < *pair[1].integer(); ++i)
      edges.push_back(edges.back() + static_cast<int32_t>(*pair[0].integer()));
  }
  const Tensor tensor = dry.tensor(static_cast<int64_t>(edges.size()), 1, DType::i32);
  std::memcpy(tensor.memory->host(), edges.data(), tensor.bytes());
  return tensor;
}

void add_operator(Rows& rows, const Json& op, int64_t count) {
  DryRun& dry = rows.dry;
  const std::string name = word(op, "op");
  const int64_t outs = number(op, "outs"), columns = number(op, "columns");
  if (name == "linear") return add_linear(rows, count, outs, columns);
  rows.attrs.push_back(std::make_unique<OpAttrs>(attrs_of(op)));
  OpAttrs& a = *rows.attrs.back();
  const auto floats = [&](int64_t width) { return dry.tensor(count, width); };
  if (name == "expertLinear") {
    const Tensor ids = dry.tensor(count, a.k, DType::i32);
    std::memset(ids.memory->host(), 0, ids.bytes());
    const Weight* stored = dry.keep(weight(dry.backend(), WeightFormat::affine, outs, columns, number(op, "experts")));
    const Tensor x = floats(columns * (a.per_expert ? a.k : 1));
    return dry.add({Op::ExpertLinear, &a, {x, ids}, {floats(a.k * outs)}, {stored}, nullptr});
  }
  const Tensor q = floats(int64_t{a.heads} * a.k_dim), k = floats(int64_t{a.kv_heads} * a.k_dim),
               v = floats(int64_t{a.kv_heads} * a.v_dim), y = floats(int64_t{a.heads} * a.v_dim);
  if (name == "segmentAttention") {
    const Tensor bounds = boundaries(dry, list(op, "segments"));
    expect(bounds.at<int32_t>()[bounds.rows - 1] == number(op, "rows"), "segments cover all rows");
    return dry.add({Op::SegmentAttention, &a, {q, k, v, bounds}, {y}, {}, nullptr});
  }
  if (name == "attention") {
    a.layer = rows.layers++ % static_cast<int32_t>(rows.batch->kv->layers().size());
    // Wider heads have no kernel: the CPU takes them.
    if (std::max(a.k_dim, a.v_dim) <= 256) dry.add({Op::Attention, &a, {q, k, v}, {y}, {}, rows.batch});
    return;
  }
  expect(name == "gatedDelta", name + " is known here");
  // Keys and queries have the heads of keys, values and results those of values; every layer has the first one's state.
  const Tensor keys = floats(int64_t{a.kv_heads} * a.k_dim), values = floats(int64_t{a.heads} * a.v_dim);
  const Weight* heads = dry.keep(weight(dry.backend(), WeightFormat::f32, 1, a.heads));
  dry.add({Op::GatedDelta,
           &a,
           {keys, keys, values, floats(a.heads), floats(a.heads)},
           {floats(values.width)},
           {heads, heads},
           rows.batch});
}

// Two layers, as the executor runs them.
void run(Rows& rows, const Json::Array& operators, std::optional<int64_t> count) {
  for (int layer = 0; layer < 2; ++layer)
    for (const Json& op : operators) add_operator(rows, op, count ? *count : number(op, "rows"));
  rows.dry.run();
}

void tower(const std::string& name, const Json::Array& operators) {
  DryRun dry(name + ", vision");
  Rows rows{dry, nullptr};
  run(rows, operators, {});
  expect(operators.empty() || fake::counters().most_operations > 1e9, name + " is not divided too finely");
}

// A chunk of prefill, a whole picture whose tokens see each other, or one row, at the end of the context.
void decoder(const std::string& name, const Json& described, int64_t count) {
  const Json::Array& operators = list(described, "operators");
  std::vector<KvLayer> layers;
  std::vector<int64_t> states;
  for (const Json& op : operators) {
    const OpAttrs a = attrs_of(op);
    if (word(op, "op") == "attention") layers.push_back({a.kv_heads, a.k_dim, a.v_dim});
    if (word(op, "op") == "gatedDelta") states.push_back(int64_t{a.heads} * a.k_dim * a.v_dim);
  }
  DryRun dry(name + ", " + std::to_string(count) + " rows of the decoder");
  const KvLayout kv(layers, KvType::f16);
  const StateLayout layout(states);
  const auto positions = static_cast<int32_t>(number(described, "context"));
  std::vector<Memory*> blocks(static_cast<size_t>(positions + 63) / 64, dry.block(kv.block_bytes()));
  RowBatch batch;
  batch.kv = &kv;
  batch.states = &layout;
  batch.sequences.push_back(
      {0, static_cast<int32_t>(count), positions - count, blocks, dry.block(std::max<size_t>(layout.bytes, 64))});
  batch.visible_end.assign(static_cast<size_t>(count), positions);
  Rows rows{dry, &batch};
  run(rows, operators, count);
}

void families() {
  std::ifstream file(METAL_BUDGET_TABLE);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const Json table = parse_json(text);
  expect(table.array() && table.array()->size() > 20, "the table has every family");
  if (!table.array()) return;
  for (const Json& entry : *table.array()) {
    const std::string name = word(entry, "family") + ", " + word(entry, "checkpoint");
    tower(name, list(entry, "vision"));
    const Json* described = entry.find("decoder");
    expect(described != nullptr, name + " has a decoder");
    for (const Json& count : list(*described, "rows")) decoder(name, *described, *count.integer());
  }
}

// The kernels that take over have less a dispatch.
void without_matrices() {
  broken = {"linear_matrix", "attention_matrix", "experts_matrix"};
  families();
  broken = {};
}

// One token of Qwen2-VL-2B's layers at position 2048: what is joined keeps dispatches and command buffers few.
void decoded_token() {
  DryRun dry("a token of Qwen2-VL-2B");
  constexpr int kLayers = 28, kPosition = 2048;
  constexpr int64_t kHidden = 1536, kKeys = 256, kInner = 8960;
  const KvLayout kv({{2, 128, 128}}, KvType::f16);
  std::vector<Memory*> blocks(kPosition / 64 + 1, dry.block(kv.block_bytes()));
  RowBatch batch;
  batch.kv = &kv;
  batch.sequences.push_back({0, 1, kPosition, blocks, nullptr});
  batch.visible_end = {kPosition + 1};
  OpAttrs &a = dry.attrs, queries, keys;
  a.heads = queries.groups = 12;
  a.kv_heads = keys.groups = 2;
  a.k_dim = a.v_dim = 128;
  OpAttrs plain;
  const auto matrix = [&](int64_t outs, int64_t columns) {
    return dry.keep(weight(dry.backend(), WeightFormat::affine, outs, columns));
  };
  const auto row = [&](int64_t width) { return dry.tensor(1, width); };
  const Tensor table = row(128);
  Tensor x = row(kHidden);
  for (int layer = 0; layer < kLayers; ++layer) {
    const auto linear = [&](const Tensor& in, int64_t outs, const Tensor& residual = {}) {
      const Tensor out = row(outs);
      dry.add({Op::Linear, &plain, {in, residual}, {out}, {matrix(outs, in.width)}, nullptr});
      return out;
    };
    const auto one = [&](Op op, const OpAttrs& attrs, const Tensor& first, const Tensor& second) {
      const Tensor out = row(first.width);
      dry.add({op, &attrs, {first, second}, {out}, {}, nullptr});
      return out;
    };
    const Tensor h = one(Op::RmsNorm, plain, x, {});
    const Tensor q = linear(h, kHidden), k = linear(h, kKeys), v = linear(h, kKeys);
    const Tensor turned_q = one(Op::Rope, queries, q, table), turned_k = one(Op::Rope, keys, k, table);
    const Tensor y = row(kHidden);
    dry.add({Op::Attention, &a, {turned_q, turned_k, v}, {y}, {}, &batch});
    x = linear(y, kHidden, x);
    const Tensor n = one(Op::RmsNorm, plain, x, {});
    const Tensor gate = linear(n, kInner), up = linear(n, kInner);
    x = linear(one(Op::GatedActivation, plain, gate, up), kHidden, x);
  }
  dry.run();
  const auto counted = fake::counters();
  expect(counted.dispatches == 8 * kLayers, std::to_string(counted.dispatches) + " dispatches");
  expect(counted.command_buffers <= 6, std::to_string(counted.command_buffers) + " command buffers");
}

// The tower of gemma3n and the reader's networks: convolutions over large images.
void convolutions() {
  for (const auto& [op, side, channels, outs, kernel] : {std::tuple{Op::Convolution, 1440, 64, 64, 3},
                                                         {Op::Convolution, 768, 3, 64, 3},
                                                         {Op::DepthwiseConvolution, 1440, 256, 256, 5},
                                                         {Op::SeparableConvolution, 720, 512, 512, 5}}) {
    DryRun dry("convolution of " + std::to_string(channels) + " channels");
    OpAttrs& a = dry.attrs;
    a.kernel_y = a.kernel_x = kernel;
    a.pad_y = a.pad_x = kernel / 2;
    const int64_t pixels = int64_t{side} * side;
    const Tensor sizes = dry.tensor(1, 2, DType::i32);
    sizes.at<int32_t>()[0] = sizes.at<int32_t>()[1] = side;
    const auto vector = [&](int64_t rows, int64_t columns) {
      WeightSource source;
      source.name = "taps";
      source.rows = rows;
      source.columns = columns;
      source.row_bytes = static_cast<size_t>(columns) * 4;
      source.data = weights.data();
      return dry.keep(dry.backend().prepare(source, kUseVector, Precision::exact));
    };
    const int taps = kernel * kernel;
    Dispatch d{op, &a, {dry.tensor(pixels, channels), sizes}, {dry.tensor(pixels, outs)}, {}, nullptr};
    d.weights[0] = op == Op::Convolution            ? vector(outs, int64_t{taps} * channels)
                   : op == Op::DepthwiseConvolution ? vector(taps, channels)
                                                    : vector(outs, channels);
    if (op == Op::SeparableConvolution) d.weights[2] = vector(taps, channels);
    dry.add(d);
    dry.run();
  }
}

void units() {
  expect(units_at_once(100, 1e9, kMatrixRate, 32) == 100, "small work is one dispatch");
  expect(units_at_once(256, 50e9, kMatrixRate, 32) == 96, "rows are divided at tiles");
  expect(units_at_once(4, 100e9, kMatrixRate, 32) == 1, "a unit is never divided");
  expect(most_flop(kMatrixRate) == kMostDispatchFlop && most_flop(kAttentionRate) < kMostDispatchFlop,
         "slow kernels have less");
}

}  // namespace

int main() {
  units();
  families();
  without_matrices();
  decoded_token();
  convolutions();
  return metal_test::finish("metal_budget");
}
