// A row's bits never depend on the other rows of a run: a backend against itself, with other row counts, permuted
// neighbours, chunks and sequences beside it. Values spread over 2^±12 and nearly cancel, so that another order of
// additions shows.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "metal/case_data.h"
#include "metal/kernel_cases.h"
#include "metal/kernel_names.h"

namespace afterimage::metal {
namespace {

// As large as the sizes of the other cases are.
struct Extent {
  int rows, columns, positions;
  int folded;  // positions where attention looks back without end, over several spans
};
Extent extent_of(std::span<const int> sizes) {
  const bool large = *std::max_element(sizes.begin(), sizes.end()) >= 200;
  return large ? Extent{256, 640, 300, 420} : Extent{34, 320, 150, 270};
}

void fill_wild(const Tensor& tensor, uint32_t seed) {
  Random random(seed);
  float* to = tensor.at<float>();
  for (int64_t i = 0; i < tensor.rows * tensor.width; ++i) {
    const float value = std::ldexp(random.uniform(-1, 1), static_cast<int>(random.bits() % 25) - 12);
    to[i] = i % 2 == 1 && random.bits() % 2 ? -to[i - 1] * (1 + 0x1p-10f) : value;
  }
}

Tensor wild(CaseRun& run, int64_t rows, int64_t width, uint32_t seed) {
  const Tensor tensor = run.empty(rows, width);
  fill_wild(tensor, seed);
  return tensor;
}

// These rows of `from`, in this order, in a tensor of their own.
Tensor pick(CaseRun& run, const Tensor& from, std::span<const int> rows) {
  const Tensor to = run.empty(static_cast<int64_t>(rows.size()), from.width, from.dtype);
  const size_t bytes = static_cast<size_t>(from.width) * 4;
  for (size_t i = 0; i < rows.size(); ++i)
    std::memcpy(to.at<std::byte>() + i * bytes, from.at<std::byte>() + static_cast<size_t>(rows[i]) * bytes, bytes);
  return to;
}

// Rows of `part` that differ from those of `whole` which they are.
float differing(const Tensor& part, const Tensor& whole, std::span<const int> rows) {
  float count = 0;
  for (size_t i = 0; i < rows.size(); ++i)
    count += std::memcmp(part.at<float>(static_cast<int64_t>(i)), whole.at<float>(rows[i]),
                         static_cast<size_t>(whole.width) * 4) != 0;
  return count;
}

// Runs of 1, 2, 8, 9, 33 and all rows in another order, each against the run of all.
template <class Compute>
float differing_in_parts(int rows, Compute compute) {
  std::vector<int> order(static_cast<size_t>(rows));
  std::iota(order.begin(), order.end(), 0);
  const Tensor whole = compute(std::span<const int>(order));
  Random random(17);
  float count = 0;
  for (const int part : {1, 1, 2, 8, 9, 33, rows}) {
    for (size_t i = order.size() - 1; i > 0; --i) std::swap(order[i], order[random.bits() % (i + 1)]);
    const auto chosen = std::span<const int>(order).first(static_cast<size_t>(part));
    count += differing(compute(chosen), whole, chosen);
  }
  return count;
}

float linear_rows(Backend& backend, const StoredKind& kind, const Extent& extent) {
  constexpr int kOuts = 21;
  const int columns = kind.bits ? extent.columns : extent.columns + 5;
  CaseRun run(backend);
  const auto stored = stored_weight(kind, 1, kOuts, columns, 7);
  const Weight* weight = run.weight(*stored, kUseMatrix);
  OpAttrs attrs;
  const Tensor x = wild(run, extent.rows, columns, 1), residual = wild(run, extent.rows, kOuts, 2);
  return differing_in_parts(extent.rows, [&](std::span<const int> rows) {
    Dispatch d{Op::Linear,
               &attrs,
               {pick(run, x, rows), pick(run, residual, rows)},
               {run.empty(static_cast<int64_t>(rows.size()), kOuts)},
               {weight, nullptr},
               nullptr};
    run.run(d);
    return d.out[0];
  });
}

Tensor concatenated(CaseRun& run, std::span<const Tensor> parts) {
  int64_t width = 0, at = 0;
  for (const Tensor& part : parts) width += part.width;
  const Tensor all = run.empty(parts.front().rows, width);
  for (const Tensor& part : parts) {
    for (int64_t row = 0; row < part.rows; ++row)
      std::memcpy(all.at<float>(row) + at, part.at<float>(row), static_cast<size_t>(part.width) * 4);
    at += part.width;
  }
  return all;
}

float norm_rows(Backend& backend, const Extent& extent) {
  CaseRun run(backend);
  OpAttrs attrs;
  attrs.eps = 1e-6f;
  const Tensor x = wild(run, extent.rows, extent.columns, 1);
  const Weight* weight = run.vector(extent.columns, 2);
  return differing_in_parts(extent.rows, [&](std::span<const int> rows) {
    const Tensor y = run.empty(static_cast<int64_t>(rows.size()), extent.columns);
    run.run({Op::RmsNorm, &attrs, {pick(run, x, rows)}, {y}, {weight, nullptr}, nullptr});
    return y;
  });
}

// RmsNorm and three Linear of what it gives: few rows are normed on the way (joined.h), more are not.
float normed_rows(Backend& backend, const StoredKind& kind, const Extent& extent) {
  constexpr int kOuts[] = {33, 21, 10};
  CaseRun run(backend);
  std::vector<std::unique_ptr<StoredWeight>> stored;
  std::vector<const Weight*> weights;
  for (const int outs : kOuts) {
    stored.push_back(stored_weight(kind, 1, outs, extent.columns, static_cast<uint32_t>(outs)));
    weights.push_back(run.weight(*stored.back(), kUseMatrix));
  }
  OpAttrs norm, attrs;
  norm.eps = 1e-6f;
  const Tensor x = wild(run, extent.rows, extent.columns, 1);
  const Weight* scales = run.vector(extent.columns, 2);
  const std::atomic<bool> cancel = false;
  return differing_in_parts(extent.rows, [&](std::span<const int> chosen) {
    const auto rows = static_cast<int64_t>(chosen.size());
    std::vector<Tensor> results{run.empty(rows, extent.columns)};
    std::vector<Dispatch> list{{Op::RmsNorm, &norm, {pick(run, x, chosen)}, {results[0]}, {scales, nullptr}, nullptr}};
    for (size_t i = 0; i < weights.size(); ++i) {
      results.push_back(run.empty(rows, kOuts[i]));
      list.push_back({Op::Linear, &attrs, {results[0]}, {results.back()}, {weights[i], nullptr}, nullptr});
    }
    backend.run(list, cancel);
    return concatenated(run, results);
  });
}

float expert_rows(Backend& backend, const StoredKind& kind, const Extent& extent, bool per_expert) {
  constexpr int kExperts = 4, kChoices = 2;  // half of the pairs have expert 1, none has expert 2
  const int outs = expert_outs(kind, 21);
  CaseRun run(backend);
  const auto stored = stored_weight(kind, kExperts, outs, extent.columns, 9);
  const Weight* weight = run.weight(*stored, kUseExperts);
  OpAttrs attrs;
  attrs.k = kChoices;
  attrs.per_expert = per_expert;
  const Tensor x = wild(run, extent.rows, extent.columns * (per_expert ? kChoices : 1), 1);
  std::vector<int32_t> all(static_cast<size_t>(extent.rows) * kChoices);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int32_t>(i * i % 11 % kExperts);
  const Tensor ids = run.ints(all, kChoices);
  return differing_in_parts(extent.rows, [&](std::span<const int> rows) {
    Dispatch d{Op::ExpertLinear,
               &attrs,
               {pick(run, x, rows), pick(run, ids, rows)},
               {run.empty(static_cast<int64_t>(rows.size()), kChoices * outs)},
               {weight, nullptr},
               nullptr};
    run.run(d);
    return d.out[0];
  });
}

// Rows of the sequence that a run takes, beside rows of other sequences in the same run.
struct Chunk {
  int rows, before, after;
};

std::vector<float> attend(Backend& backend, KvType type, int heads, int kv_heads, int dim,
                          const std::vector<Chunk>& chunks, int length, int window) {
  CaseRun run(backend);
  const KvLayout kv({{kv_heads, dim, dim}}, type);
  std::vector<Memory*> blocks;
  for (int i = 0; i <= length / 64; ++i) blocks.push_back(run.memory(kv.block_bytes()));
  OpAttrs a;
  a.heads = heads;
  a.kv_heads = kv_heads;
  a.k_dim = a.v_dim = dim;
  a.scale = 0.4f;
  a.window = window;
  const Tensor q = run.floats(length, heads * dim, 1, 4), k = run.floats(length, kv_heads * dim, 2),
               v = wild(run, length, kv_heads * dim, 3);
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
    Dispatch d{Op::Attention,      &a,    {gather(q), gather(k), gather(v)}, {run.empty(total, heads * dim)},
               {nullptr, nullptr}, &batch};
    run.run(d);
    const float* from = d.out[0].at<float>(chunk.before);
    result.insert(result.end(), from, from + chunk.rows * heads * dim);
    done += chunk.rows;
  }
  return result;
}

float differing_values(const std::vector<float>& a, const std::vector<float>& b) {
  float count = 0;
  for (size_t i = 0; i < a.size(); ++i) count += std::memcmp(&a[i], &b[i], 4) != 0;
  return count;
}

float attention_chunks(Backend& backend, KvType type, int heads, int kv_heads, int dim, int length, int window) {
  const std::vector<float> whole = attend(backend, type, heads, kv_heads, dim, {{length, 0, 0}}, length, window);
  Random random(static_cast<uint64_t>(heads) * 10 + static_cast<uint64_t>(type));
  float count = 0;
  for (int trial = 0; trial < (window ? 3 : 1); ++trial) {
    std::vector<Chunk> chunks;
    constexpr int kFirst[] = {1, 2, 8, 9, 33};
    for (int done = 0; done < length;) {
      const int wanted = trial == 0 && chunks.size() < std::size(kFirst) ? kFirst[chunks.size()]
                                                                         : 1 + static_cast<int>(random.bits() % 60);
      const int rows = std::min(length - done, wanted);
      const bool alone = trial == 0 && rows == 1;
      chunks.push_back(
          {rows, alone ? 0 : static_cast<int>(random.bits() % 4), alone ? 0 : static_cast<int>(random.bits() % 6)});
      done += rows;
    }
    count += differing_values(attend(backend, type, heads, kv_heads, dim, chunks, length, window), whole);
  }
  return count;
}

// Segments of 13, 37 and 70 rows together, and each alone.
float segments_alone(Backend& backend, int dim) {
  constexpr int kHeads = 2, kAll = 120;
  CaseRun run(backend);
  OpAttrs a;
  a.heads = a.kv_heads = kHeads;
  a.k_dim = a.v_dim = dim;
  a.scale = 0.2f;
  const Tensor q = run.floats(kAll, kHeads * dim, 1), k = run.floats(kAll, kHeads * dim, 2),
               v = wild(run, kAll, kHeads * dim, 3);
  const auto compute = [&](int first, int last, const std::vector<int32_t>& bounds) {
    std::vector<int> rows(static_cast<size_t>(last - first));
    std::iota(rows.begin(), rows.end(), first);
    Dispatch d{Op::SegmentAttention,
               &a,
               {pick(run, q, rows), pick(run, k, rows), pick(run, v, rows), run.ints(bounds, 1)},
               {run.empty(last - first, kHeads * dim)},
               {nullptr, nullptr},
               nullptr};
    run.run(d);
    return CaseRun::read(d.out[0]);
  };
  const std::vector<float> together = compute(0, kAll, {0, 13, 13, 50, kAll});
  float count = 0;
  for (const auto& [first, last] : {std::pair{0, 13}, {13, 50}, {50, kAll}}) {
    const auto from = together.begin() + first * kHeads * dim;
    count += differing_values(compute(first, last, {0, last - first}), {from, from + (last - first) * kHeads * dim});
  }
  return count;
}

void add_case(std::vector<KernelCase>& cases, const std::vector<std::string>& kernels, const std::string& name,
              std::function<float(Backend&)> differing) {
  const auto run = [differing](Backend& backend) { return std::vector<float>{differing(backend)}; };
  for (const std::string& kernel : kernels) cases.push_back({kernel, name, 0, run, true});
}

}  // namespace

std::vector<KernelCase> invariance_cases(std::span<const int> sizes) {
  constexpr int kWindow = 100;
  const Extent extent = extent_of(sizes);
  std::vector<KernelCase> cases;
  add_case(cases, {"rms_norm"}, "rows of rms_norm", [=](Backend& b) { return norm_rows(b, extent); });
  for (const StoredKind& kind : stored_kinds()) {
    for (const auto& kernels : linear_kernel_names(kind))
      add_case(cases, kernels, "rows of " + kernels.back() + ", group " + std::to_string(kind.group),
               [=](Backend& b) { return linear_rows(b, kind, extent); });
    const std::string first = linear_kernel_names(kind).front().front();
    if (first.rfind("linear_dot_", 0) != 0)
      add_case(cases, {first + kNormed}, "normed rows of " + first + ", group " + std::to_string(kind.group),
               [=](Backend& b) { return normed_rows(b, kind, extent); });
    for (const auto& kernels : expert_kernel_names(kind))
      for (const bool per_expert : {false, true})
        add_case(cases, kernels,
                 "rows of " + kernels.back() + ", group " + std::to_string(kind.group) +
                     (per_expert ? ", an input each" : ""),
                 [=](Backend& b) { return expert_rows(b, kind, extent, per_expert); });
  }
  for (const KvType type : {KvType::f32, KvType::f16, KvType::bf16, KvType::q8}) {
    const std::string name = name_of(type);
    const auto add = [&](const std::vector<std::string>& kernels, int heads, int kv_heads, int dim,
                         int window = kWindow) {
      const int length = window ? extent.positions : extent.folded;
      add_case(cases, kernels,
               (window ? "chunks of " : "all positions of ") + kernels.front() + ", " + std::to_string(heads) + "/" +
                   std::to_string(kv_heads) + " heads",
               [=](Backend& b) { return attention_chunks(b, type, heads, kv_heads, dim, length, window); });
    };
    for (const auto& [heads, kv_heads] : {std::pair{2, 2}, {6, 2}, {1, 1}})
      add({"attention_" + name + "_1", "attention_" + name + "_4", "attention_" + name + "_8"}, heads, kv_heads, 24);
    for (const auto& [heads, dim] : {std::pair{6, 64}, {4, 128}, {2, 256}}) {
      const std::string padded = name + "_" + std::to_string(dim);
      std::vector<std::string> kernels{"attention_matrix_" + padded, "attention_split_" + padded};
      if (padded == "f16_64") kernels.push_back("attention_merge");
      add(kernels, heads, heads > 4 ? 2 : 1, dim - 8);
      add(kernels, 2, 1, dim - 8, 0);
    }
  }
  for (const int dim : {32, 64, 72, 80, 128, 256})
    add_case(cases, {"segment_attention_" + std::to_string(dim)}, "segments of " + std::to_string(dim),
             [=](Backend& b) { return segments_alone(b, dim); });
  return cases;
}

}  // namespace afterimage::metal
