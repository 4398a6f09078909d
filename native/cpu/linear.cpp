// Linear and ExpertLinear: rows are put into the form their weight reads, then every (chunk of rows, panel) is a task.
#include <algorithm>

#include "cpu/cpu_context.h"

namespace afterimage {
namespace {

RowForm row_form(const CpuContext& c, const CpuWeight& weight) {
  if (weight.precision == Precision::exact) return RowForm::f32;
  if (weight.matrix.kind == CodeKind::pairs) return RowForm::pairs;
  if (weight.matrix.integer()) return c.kernels.integer_form(weight.matrix.kind, c.a8);
  return c.kernels.native_bf16 && weight.matrix.value != CodeValue::f32 ? RowForm::bf16 : RowForm::f32;
}

// Input rows in one form: row r at base + r · stride.
struct FormedRows {
  const uint8_t* base;
  size_t stride;
  RowForm form;
  const void* row(int64_t r) const { return base + static_cast<size_t>(r) * stride; }
};

FormedRows form_rows(CpuContext& c, const float* x, int64_t rows, const CpuWeight& weight) {
  const PackedMatrix& m = weight.matrix;
  const RowForm form = row_form(c, weight);
  if (form == RowForm::f32)
    return {reinterpret_cast<const uint8_t*>(x), static_cast<size_t>(m.columns) * sizeof(float), form};
  const size_t padded = static_cast<size_t>(m.blocks) * kBlockColumns;
  const size_t stride = form == RowForm::bf16 ? padded * 2 : static_cast<size_t>(m.blocks) * sizeof(QuantBlock);
  uint8_t* base = c.rows.reserve(static_cast<size_t>(rows) * stride);
  c.for_rows(rows, m.columns, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      uint8_t* to = base + static_cast<size_t>(r) * stride;
      if (form == RowForm::bf16)
        c.kernels.row_to_bf16(x + r * m.columns, m.columns, static_cast<int64_t>(padded),
                              reinterpret_cast<uint16_t*>(to));
      else if (form == RowForm::pairs)
        c.kernels.row_to_pair_blocks(x + r * m.columns, m.columns, reinterpret_cast<QuantBlock*>(to));
      else
        c.kernels.quantize_row(x + r * m.columns, m.columns, m.sets, c.a8, form, reinterpret_cast<QuantBlock*>(to));
    }
  });
  return {base, stride, form};
}

// Rows of one task: as many as keep their inputs within half a second-level cache, whole register tiles, balanced.
int chunk_rows(int64_t rows, size_t row_bytes) {
  constexpr size_t kCacheBytes = size_t{1} << 20;
  constexpr int kTile = 6;
  const auto fit = static_cast<int64_t>(kCacheBytes / std::max<size_t>(row_bytes, 1));
  const int64_t most = std::clamp<int64_t>(fit / kTile * kTile, 4 * kTile, kMaxChunkRows);
  const int64_t chunks = (rows + most - 1) / most;
  const int64_t even = (rows + chunks - 1) / chunks;
  return static_cast<int>(std::min<int64_t>((even + kTile - 1) / kTile * kTile, kMaxChunkRows));
}

// Panels of one task: narrow ones are taken with their neighbours in memory, so that a thread knows what it reads next.
int64_t panels_together(const PackedMatrix& m, int64_t tasks, int threads) {
  constexpr int64_t kRunBytes = int64_t{64} << 10;
  const int64_t most = kRunBytes / std::max<int64_t>(1, m.blocks * static_cast<int64_t>(m.block_bytes));
  return std::max<int64_t>(1, std::min(most, tasks / (2 * int64_t{threads})));
}

// Panels [first, last) of one expert's.
struct PanelRun {
  int64_t expert, first, last;
};

// `count` input rows x[i] of some panels to output rows out(i), residual(i).
template <class InputRow, class OutputRow, class ResidualRow>
void run_panels(const CpuContext& c, const CpuWeight& weight, RowForm form, PanelRun run, int count,
                PanelScratch* scratch, const float* bias, Activation activation, InputRow input, OutputRow output,
                ResidualRow residual) {
  const void* x[kMaxChunkRows];
  float* sums[kMaxChunkRows];
  for (int i = 0; i < count; ++i) {
    x[i] = input(i);
    sums[i] = scratch->sums + i * kPanelRows;
  }
  for (int64_t panel = run.first; panel < run.last; ++panel) {
    c.kernels.panel(
        {&weight.matrix, run.expert, panel, count, x, sums, form, scratch, panel == run.first, panel + 1 == run.last});
    const int64_t column = panel * kPanelRows;
    const int columns = static_cast<int>(std::min<int64_t>(kPanelRows, weight.matrix.rows - column));
    for (int i = 0; i < count; ++i) {
      const float* added = residual(i);
      c.kernels.finish({sums[i], bias ? bias + column : nullptr, added ? added + column : nullptr, output(i) + column,
                        columns, activation});
    }
  }
}

PanelScratch* panel_scratch(CpuContext& c, int thread) {
  return c.thread_scratch[static_cast<size_t>(thread)].reserve_array<PanelScratch>(1);
}

// Reserves every thread's scratch before a loop, where running out of memory may throw.
void reserve_panels(CpuContext& c) {
  for (int thread = 0; thread < c.pool.threads(); ++thread) panel_scratch(c, thread);
}

}  // namespace

void run_linear(CpuContext& c, const Dispatch& d) {
  const CpuWeight& weight = *cpu_weight(d.weights[0]);
  const float* bias = vector_of(d.weights[1]);
  const Tensor x = d.in[0], residual = d.in[1], y = d.out[0];
  const FormedRows rows = form_rows(c, x.at<float>(), x.rows, weight);
  const int chunk = chunk_rows(x.rows, rows.stride);
  const int64_t chunks = (x.rows + chunk - 1) / chunk, panels = weight.matrix.panels;
  reserve_panels(c);
  const int64_t together = panels_together(weight.matrix, chunks * panels, c.pool.threads());
  const int64_t runs = (panels + together - 1) / together;
  c.pool.for_each(chunks * runs, [&](int64_t task, int thread) {
    const int64_t first = task / runs * chunk, panel = task % runs * together;
    const int count = static_cast<int>(std::min<int64_t>(chunk, x.rows - first));
    run_panels(
        c, weight, rows.form, {0, panel, std::min(panel + together, panels)}, count, panel_scratch(c, thread), bias,
        d.attrs->activation, [&](int i) { return rows.row(first + i); }, [&](int i) { return y.at<float>(first + i); },
        [&](int i) -> const float* { return residual ? residual.at<float>(first + i) : nullptr; });
  });
}

void run_expert_linear(CpuContext& c, const Dispatch& d) {
  const CpuWeight& weight = *cpu_weight(d.weights[0]);
  const PackedMatrix& m = weight.matrix;
  const Tensor x = d.in[0], ids = d.in[1], y = d.out[0];
  const int64_t k = d.attrs->k, slots = ids.rows * k;
  const bool per_expert = d.attrs->per_expert;
  const FormedRows rows = form_rows(c, x.at<float>(), per_expert ? slots : x.rows, weight);
  // Slots (row, i) sorted by expert: a task is one panel for up to a chunk of one expert's slots.
  struct Group {
    int64_t expert, first;
    int count;
  };
  std::vector<std::vector<int64_t>> by_expert(static_cast<size_t>(m.experts));
  for (int64_t slot = 0; slot < slots; ++slot)
    by_expert[static_cast<size_t>(std::clamp<int64_t>(ids.at<int32_t>()[slot], 0, m.experts - 1))].push_back(slot);
  std::vector<Group> groups;
  for (int64_t expert = 0; expert < m.experts; ++expert) {
    const auto size = static_cast<int64_t>(by_expert[static_cast<size_t>(expert)].size());
    if (size == 0) continue;
    const int chunk = chunk_rows(size, rows.stride);
    for (int64_t first = 0; first < size; first += chunk)
      groups.push_back({expert, first, static_cast<int>(std::min<int64_t>(chunk, size - first))});
  }
  reserve_panels(c);
  c.pool.for_each(static_cast<int64_t>(groups.size()) * m.panels, [&](int64_t task, int thread) {
    const Group& group = groups[static_cast<size_t>(task / m.panels)];
    const int64_t* slot = by_expert[static_cast<size_t>(group.expert)].data() + group.first;
    const int64_t panel = task % m.panels;
    run_panels(
        c, weight, rows.form, {group.expert, panel, panel + 1}, group.count, panel_scratch(c, thread), nullptr,
        d.attrs->activation, [&](int i) { return rows.row(per_expert ? slot[i] : slot[i] / k); },
        [&](int i) { return y.at<float>() + slot[i] * m.rows; }, [](int) -> const float* { return nullptr; });
  });
}

}  // namespace afterimage
