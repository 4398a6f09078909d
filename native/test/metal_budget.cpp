// Work budgets at every family's largest picture (2880 × 1800 where nothing shrinks it), on a device that computes
// nothing and counts: no dispatch above 20 GFLOP, no command buffer above about 50 ms of an M1, by the fake's own
// judgement. And that the division of work leaves bits alone.
#include <sys/mman.h>

#include <cstring>

#include "metal/rig/fake/fake_metal.h"
#include "metal/work.h"
#include "metal_runs.h"

using namespace metal_test;
namespace fake = rig::fake;

namespace {

// A vision encoder: patches of the picture, of one segment of attention, widths, heads.
struct Tower {
  const char* family;
  int64_t patches, segment, hidden, inner;
  int32_t heads, dim;
};
constexpr Tower kTowers[] = {
    {"qwen2_vl", 26368, 26368, 1280, 5120, 16, 80},
    {"qwen2_5_vl, whole", 26368, 26368, 1280, 3420, 16, 80},
    {"qwen2_5_vl, windows", 26368, 64, 1280, 3420, 16, 80},
    {"qwen3_vl, qwen3_5", 20160, 20160, 1152, 4304, 16, 72},
    {"glm_ocr", 26368, 26368, 1024, 4096, 16, 64},
    {"paddleocr_vl", 14400, 14400, 1152, 4304, 16, 72},
    {"kimi_vl, kimi_k25", 26368, 26368, 1152, 4304, 16, 72},
    {"mistral3, pixtral", 12100, 12100, 1024, 4096, 16, 64},
    {"lighton_ocr", 12100, 12100, 1024, 4096, 16, 64},
    {"gemma3", 5 * 4096, 4096, 1152, 4304, 16, 72},
    {"gemma4", 10080, 10080, 1152, 4304, 16, 72},
    {"idefics3, smolvlm", 17 * 1024, 1024, 768, 3072, 12, 64},
    {"internvl", 13 * 1025, 1025, 1024, 4096, 16, 64},
    {"internvl 38B", 13 * 1025, 1025, 3200, 12800, 25, 128},
    {"llava, llava_next", 5 * 577, 577, 1024, 4096, 16, 64},
    {"minicpmv4_6", 10 * 1024, 1024, 1152, 4304, 16, 72},
    {"lfm2_vl", 11 * 1024, 1024, 1152, 4304, 16, 72},
    {"paligemma", 4096, 4096, 1152, 4304, 16, 72},
};

// A decoder: a chunk of prefill, or a whole picture whose tokens see each other, at the end of a long conversation.
struct Reader {
  const char* family;
  int rows, before;
  int32_t heads, kv_heads, dim, window;
  int64_t hidden, inner;
};
constexpr Reader kReaders[] = {
    {"Qwen2-VL-2B", 256, 32000, 12, 2, 128, 0, 1536, 8960},
    {"Qwen2.5-VL-7B", 256, 32000, 28, 4, 128, 0, 3584, 18944},
    {"Qwen3-VL-32B", 256, 64000, 64, 8, 128, 0, 5120, 25600},
    {"Gemma 3 27B, window", 1400, 30000, 32, 16, 128, 1024, 5376, 21504},
    {"Gemma 3 27B, whole", 1400, 30000, 32, 16, 128, 0, 5376, 21504},
    {"PaliGemma 2 10B", 4200, 0, 16, 8, 256, 0, 3584, 14336},
    {"decode", 1, 128000, 32, 8, 128, 0, 4096, 14336},
};

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
  return backend.prepare(source, experts > 1 ? kUseExperts : kUseMatrix, Precision::exact);
}

class DryRun {
 public:
  explicit DryRun(std::string name) : name_(std::move(name)) {
    fake::reset();
    fake::settings().dry = true;
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

// Two layers, as the executor runs them: attention over all rows, matrices over 256 of them at a time and over all.
void tower(const Tower& t) {
  DryRun dry(t.family);
  dry.attrs.heads = dry.attrs.kv_heads = t.heads;
  dry.attrs.k_dim = dry.attrs.v_dim = t.dim;
  const int64_t width = int64_t{t.heads} * t.dim, segments = (t.patches + t.segment - 1) / t.segment;
  const Tensor q = dry.tensor(t.patches, width), y = dry.tensor(t.patches, width);
  const Tensor bounds = dry.tensor(segments + 1, 1, DType::i32);
  for (int64_t s = 0; s <= segments; ++s)
    bounds.at<int32_t>()[s] = static_cast<int32_t>(std::min(t.patches, s * t.segment));
  for (int layer = 0; layer < 2; ++layer) {
    for (const int64_t rows : {int64_t{256}, t.patches}) {
      dry.linear(rows, 3 * width, t.hidden, WeightFormat::bf16);
      dry.linear(rows, t.inner, t.hidden, WeightFormat::bf16);
      dry.linear(rows, t.inner, t.hidden, WeightFormat::affine);
      dry.linear(rows, t.hidden, t.inner / 64 * 64, WeightFormat::bf16);
    }
    dry.add({Op::SegmentAttention, &dry.attrs, {q, q, q, bounds}, {y}, {}, nullptr});
  }
  dry.run();
  expect(fake::counters().dispatches > 18, std::string(t.family) + " is divided");
  expect(fake::counters().most_operations > 1e9, std::string(t.family) + " is not divided too finely");
}

void reader(const Reader& r) {
  DryRun dry(r.family);
  const KvLayout kv({{r.kv_heads, r.dim, r.dim}}, KvType::f16);
  const int positions = r.before + r.rows;
  std::vector<Memory*> blocks(static_cast<size_t>(positions + 63) / 64, dry.block(kv.block_bytes()));
  RowBatch batch;
  batch.kv = &kv;
  batch.sequences.push_back({0, r.rows, r.before, blocks, nullptr});
  batch.visible_end.assign(static_cast<size_t>(r.rows), positions);
  dry.attrs.heads = r.heads;
  dry.attrs.kv_heads = r.kv_heads;
  dry.attrs.k_dim = dry.attrs.v_dim = r.dim;
  dry.attrs.window = r.window;
  const Tensor q = dry.tensor(r.rows, int64_t{r.heads} * r.dim), k = dry.tensor(r.rows, int64_t{r.kv_heads} * r.dim);
  const Tensor y = dry.tensor(r.rows, q.width);
  for (int layer = 0; layer < 2; ++layer) {
    dry.linear(r.rows, q.width, r.hidden, WeightFormat::affine);
    dry.add({Op::Attention, &dry.attrs, {q, k, k}, {y}, {}, &batch});
    dry.linear(r.rows, r.inner, r.hidden, WeightFormat::affine);
    dry.linear(r.rows, r.hidden, r.inner, WeightFormat::affine);
  }
  dry.run();
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

void experts() {
  DryRun dry("experts");
  dry.attrs.k = 8;
  const Tensor ids = dry.tensor(1400, 8, DType::i32);
  std::memset(ids.memory->host(), 0, ids.bytes());
  const Weight* stored = dry.keep(weight(dry.backend(), WeightFormat::affine, 1536, 4096, 128));
  dry.add(
      {Op::ExpertLinear, &dry.attrs, {dry.tensor(1400, 4096), ids}, {dry.tensor(1400, 8 * 1536)}, {stored}, nullptr});
  dry.run();
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
  for (const Tower& one : kTowers) tower(one);
  for (const Reader& one : kReaders) reader(one);
  decoded_token();
  experts();
  convolutions();
  return metal_test::finish("metal_budget");
}
