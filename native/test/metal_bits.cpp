// A row's bits never depend on the other rows of a run: Linear in every format and experts alone and among others,
// attention under random chunkings and beside other sequences, segments alone and together.
#include <cstring>

#include "metal/backend_parts.h"
#include "metal/case_data.h"
#include "metal/rig/fake/fake_metal.h"
#include "metal_check.h"

using namespace afterimage;
using namespace afterimage::metal;
using metal_test::expect;

namespace {

bool same_bits(const float* a, const float* b, size_t count) { return std::memcmp(a, b, count * sizeof(float)) == 0; }

// Copies rows [first, first + rows) of `from` into a tensor of their own.
Tensor part(CaseRun& run, const Tensor& from, int64_t first, int64_t rows) {
  const Tensor to = run.empty(rows, from.width);
  std::memcpy(to.at<float>(), from.at<float>(first), to.bytes());
  return to;
}

void linear_rows(Backend& backend, const StoredKind& kind, int columns) {
  constexpr int kRows = 41, kOuts = 37;
  CaseRun run(backend);
  const auto stored = stored_weight(kind, 1, kOuts, columns, 7);
  const Weight* weight = run.weight(*stored, kUseMatrix);
  OpAttrs attrs;
  attrs.activation = Activation::gelu_tanh;
  const Tensor x = run.floats(kRows, columns, 1), residual = run.floats(kRows, kOuts, 2);
  auto compute = [&](int first, int rows) {
    Dispatch d{Op::Linear,
               &attrs,
               {part(run, x, first, rows), part(run, residual, first, rows)},
               {run.empty(rows, kOuts)},
               {weight, nullptr},
               nullptr};
    run.run(d);
    return d.out[0];
  };
  const Tensor all = compute(0, kRows);
  for (const auto& [first, rows] : {std::pair{0, 1}, {40, 1}, {3, 2}, {5, 8}, {7, 9}, {1, 32}, {8, 33}})
    expect(same_bits(compute(first, rows).at<float>(), all.at<float>(first), static_cast<size_t>(rows * kOuts)),
           std::string("linear ") + kind.name + ": rows " + std::to_string(first) + " + " + std::to_string(rows) +
               " differ from the whole");
}

void expert_rows(Backend& backend, const StoredKind& kind, int columns, bool per_expert) {
  constexpr int kRows = 41, kOuts = 37, kExperts = 5, kChoices = 3;
  CaseRun run(backend);
  const auto stored = stored_weight(kind, kExperts, kOuts, columns, 9);
  const Weight* weight = run.weight(*stored, kUseExperts);
  OpAttrs attrs;
  attrs.k = kChoices;
  attrs.per_expert = per_expert;
  const Tensor x = run.floats(kRows, columns * (per_expert ? kChoices : 1), 1);
  std::vector<int32_t> ids(kRows * kChoices);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i * i % 11 % kExperts);
  auto compute = [&](int first, int rows) {
    const std::vector<int32_t> own(ids.begin() + first * kChoices, ids.begin() + (first + rows) * kChoices);
    Dispatch d{Op::ExpertLinear,
               &attrs,
               {part(run, x, first, rows), run.ints(own, kChoices)},
               {run.empty(rows, kChoices * kOuts)},
               {weight, nullptr},
               nullptr};
    run.run(d);
    return d.out[0];
  };
  const Tensor all = compute(0, kRows);
  for (const auto& [first, rows] : {std::pair{0, 1}, {40, 1}, {3, 2}, {5, 8}, {1, 32}, {8, 33}})
    expect(
        same_bits(compute(first, rows).at<float>(), all.at<float>(first), static_cast<size_t>(rows * kChoices * kOuts)),
        std::string("experts ") + kind.name + ": rows " + std::to_string(first) + " + " + std::to_string(rows) +
            " differ from the whole");
}

struct Chunk {
  int rows;
  int before, after;  // rows of another sequence in the same run
};

std::vector<float> attend(Backend& backend, KvType type, int heads, int kv_heads, const std::vector<Chunk>& chunks,
                          int length) {
  constexpr int kDim = 24;
  CaseRun run(backend);
  const KvLayout kv({{kv_heads, kDim, kDim}}, type);
  std::vector<Memory*> blocks;
  for (int i = 0; i <= length / 64; ++i) blocks.push_back(run.memory(kv.block_bytes()));
  OpAttrs a;
  a.heads = heads;
  a.kv_heads = kv_heads;
  a.k_dim = a.v_dim = kDim;
  a.scale = 0.4f;
  a.window = 100;
  const Tensor q = run.floats(length, heads * kDim, 1), k = run.floats(length, kv_heads * kDim, 2),
               v = run.floats(length, kv_heads * kDim, 3);
  std::vector<float> result;
  int done = 0;
  for (const Chunk& chunk : chunks) {
    std::vector<Memory*> others{run.memory(kv.block_bytes()), run.memory(kv.block_bytes())};
    RowBatch batch;
    batch.kv = &kv;
    const int total = chunk.before + chunk.rows + chunk.after;
    auto gather = [&](const Tensor& from) {
      const Tensor to = run.floats(total, from.width, static_cast<uint32_t>(total));
      std::memcpy(to.at<float>(chunk.before), from.at<float>(done), static_cast<size_t>(chunk.rows * from.width) * 4);
      return to;
    };
    auto add = [&](int rows, int64_t position, std::span<Memory* const> memory) {
      if (rows == 0) return;
      batch.sequences.push_back({static_cast<int32_t>(batch.visible_end.size()), rows, position, memory, nullptr});
      for (int r = 0; r < rows; ++r) batch.visible_end.push_back(static_cast<int32_t>(position) + r + 1);
    };
    add(chunk.before, 0, std::span<Memory* const>(others).first(1));
    add(chunk.rows, done, blocks);
    add(chunk.after, 0, std::span<Memory* const>(others).last(1));
    Dispatch d{Op::Attention,      &a,    {gather(q), gather(k), gather(v)}, {run.empty(total, heads * kDim)},
               {nullptr, nullptr}, &batch};
    run.run(d);
    const float* from = d.out[0].at<float>(chunk.before);
    result.insert(result.end(), from, from + chunk.rows * heads * kDim);
    done += chunk.rows;
  }
  return result;
}

void attention_chunks(Backend& backend, KvType type, int heads, int kv_heads) {
  constexpr int kLength = 150;
  const std::vector<float> whole = attend(backend, type, heads, kv_heads, {{kLength, 0, 0}}, kLength);
  Random random(static_cast<uint64_t>(heads) * 10 + static_cast<uint64_t>(type));
  for (int trial = 0; trial < 4; ++trial) {
    std::vector<Chunk> chunks;
    for (int done = 0; done < kLength;) {
      const int rows = std::min<int>(kLength - done, trial == 0 ? 1 + done / 140 * 4 + 63 * (done < 63)
                                                                : 1 + static_cast<int>(random.bits() % 60));
      chunks.push_back({rows, static_cast<int>(random.bits() % 4), static_cast<int>(random.bits() % 6)});
      done += rows;
    }
    const std::vector<float> parts = attend(backend, type, heads, kv_heads, chunks, kLength);
    expect(
        same_bits(parts.data(), whole.data(), whole.size()),
        "attention with " + std::to_string(heads) + "/" + std::to_string(kv_heads) + " heads depends on the chunking");
  }
}

std::vector<float> segments(Backend& backend, int first, int rows, const std::vector<int32_t>& bounds) {
  constexpr int kWidth = 2 * 40, kAll = 120;
  CaseRun run(backend);
  OpAttrs a;
  a.heads = a.kv_heads = 2;
  a.k_dim = a.v_dim = 40;
  a.scale = 0.2f;
  const Tensor q = run.floats(kAll, kWidth, 1), k = run.floats(kAll, kWidth, 2), v = run.floats(kAll, kWidth, 3);
  Dispatch d{Op::SegmentAttention,
             &a,
             {part(run, q, first, rows), part(run, k, first, rows), part(run, v, first, rows), run.ints(bounds, 1)},
             {run.empty(rows, kWidth)},
             {nullptr, nullptr},
             nullptr};
  run.run(d);
  return CaseRun::read(d.out[0]);
}

void segments_alone_and_together(Backend& backend) {
  const std::vector<float> together = segments(backend, 0, 120, {0, 13, 13, 50, 120});
  for (const auto& [first, last] : {std::pair{0, 13}, {13, 50}, {50, 120}}) {
    const std::vector<float> alone = segments(backend, first, last - first, {0, last - first});
    expect(same_bits(alone.data(), together.data() + first * 80, alone.size()),
           "segment from row " + std::to_string(first) + " depends on its neighbours");
  }
}

}  // namespace

int main() {
  {
    MetalBackend backend(open_device().device, nullptr, nullptr);
    for (const int columns : {64, 320}) {
      for (const WeightFormat format : {WeightFormat::f32, WeightFormat::f16, WeightFormat::bf16})
        linear_rows(backend, {format, 0, 0, ScaleType::f32, "float"}, columns + 5);
      for (const int bits : {2, 3, 4, 5, 6, 8})
        linear_rows(backend, {WeightFormat::affine, bits, 32, ScaleType::bf16, "affine"}, columns);
      linear_rows(backend, {WeightFormat::mxfp4, 4, 32, ScaleType::u8, "mxfp4"}, columns);
      linear_rows(backend, {WeightFormat::mxfp8, 8, 32, ScaleType::u8, "mxfp8"}, columns);
    }
    for (const bool per_expert : {false, true}) {
      expert_rows(backend, {WeightFormat::bf16, 0, 0, ScaleType::bf16, "bf16"}, 69, per_expert);
      expert_rows(backend, {WeightFormat::affine, 4, 32, ScaleType::bf16, "q4"}, 320, per_expert);
      expert_rows(backend, {WeightFormat::mxfp4, 4, 32, ScaleType::u8, "mxfp4"}, 64, per_expert);
    }
    for (const KvType type : {KvType::f32, KvType::f16, KvType::bf16, KvType::q8})
      for (const auto& [heads, kv_heads] : {std::pair{2, 2}, {6, 2}, {1, 1}})
        attention_chunks(backend, type, heads, kv_heads);
    segments_alone_and_together(backend);
  }
  for (const std::string& text : rig::fake::violations()) expect(false, "violation: " + text);
  return metal_test::finish("metal_bits");
}
