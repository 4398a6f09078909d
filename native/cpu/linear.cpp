// Linear and ExpertLinear: rows are put into the form their weight reads, then every (chunk of rows, panel) is a task.
// Linears of the same rows (queries, keys and values; gate and up) are one loop.
#include <algorithm>

#include "cpu/cpu_context.h"

namespace afterimage {
namespace {

bool in_8_bits(const CpuWeight& weight) { return weight.precision == Precision::faster; }

RowForm row_form(const CpuContext& c, const CpuWeight& weight) {
  if (weight.precision == Precision::exact) return RowForm::f32;
  if (weight.matrix.kind == CodeKind::pairs) return RowForm::pairs;
  if (weight.matrix.value == CodeValue::bytes) return RowForm::bytes;
  if (weight.matrix.integer()) return c.kernels.integer_form(weight.matrix.kind, in_8_bits(weight));
  return c.kernels.native_bf16 && weight.matrix.value != CodeValue::f32 ? RowForm::bf16 : RowForm::f32;
}

constexpr int kGroupRows = 16;
constexpr int64_t kFewestChunkRows = 96;

// Input rows in one form: row r, or where they are grouped, the group of row 16r, at base + r · stride.
struct FormedRows {
  const uint8_t* base;
  size_t stride;
  RowForm form;
  bool grouped = false;
  const void* row(int64_t r) const { return base + static_cast<size_t>(grouped ? r / kGroupRows : r) * stride; }
};

FormedRows form_rows(CpuContext& c, const float* x, int64_t rows, const CpuWeight& weight) {
  const PackedMatrix& m = weight.matrix;
  const RowForm form = row_form(c, weight);
  if (form == RowForm::f32)
    return {reinterpret_cast<const uint8_t*>(x), static_cast<size_t>(m.columns) * sizeof(float), form};
  const size_t padded = static_cast<size_t>(m.blocks) * kBlockColumns;
  const size_t stride = form == RowForm::bf16    ? padded * 2 + 64  // rows side by side lie in other lines of the cache
                        : form == RowForm::bytes ? byte_row_size(static_cast<int64_t>(padded))
                                                 : static_cast<size_t>(m.blocks) * sizeof(QuantBlock);
  uint8_t* base = c.rows.reserve(static_cast<size_t>(rows) * stride);
  c.for_rows(rows, m.columns, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      uint8_t* to = base + static_cast<size_t>(r) * stride;
      if (form == RowForm::bf16)
        c.kernels.row_to_bf16(x + r * m.columns, m.columns, static_cast<int64_t>(padded),
                              reinterpret_cast<uint16_t*>(to));
      else if (form == RowForm::bytes)
        c.kernels.row_to_bytes(x + r * m.columns, m.columns, static_cast<int64_t>(padded), to);
      else if (form == RowForm::pairs)
        c.kernels.row_to_pair_blocks(x + r * m.columns, m.columns, reinterpret_cast<QuantBlock*>(to));
      else
        c.kernels.quantize_row(x + r * m.columns, m.columns, m.sets, in_8_bits(weight), form,
                               reinterpret_cast<QuantBlock*>(to));
    }
  });
  return {base, stride, form};
}

// As form_rows(), rows of integers in groups where their number is worth it.
FormedRows form_groups(CpuContext& c, const float* x, int64_t rows, const CpuWeight& weight) {
  const PackedMatrix& m = weight.matrix;
  const RowForm form = row_form(c, weight);
  const KernelTable& k = c.kernels;
  const int fewest = form == RowForm::a15 ? k.fewest_grouped : form == RowForm::a8 ? k.fewest_grouped_a8 : 0;
  if (fewest == 0 || rows < fewest) return form_rows(c, x, rows, weight);
  const int64_t groups = (rows + kGroupRows - 1) / kGroupRows;
  const size_t stride = static_cast<size_t>(m.blocks) * k.group_bytes;
  uint8_t* base = c.rows.reserve(static_cast<size_t>(groups) * stride);
  c.for_rows(rows, m.columns, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r)
      k.quantize_grouped(x + r * m.columns, static_cast<int>(r % kGroupRows), r + 1 == rows, m.columns, m.sets,
                         in_8_bits(weight), base + static_cast<size_t>(r / kGroupRows) * stride);
  });
  return {base, stride, form, true};
}

// Rows of one task: as many as keep their inputs within half a second-level cache, whole register tiles, balanced, and
// not so many that threads have nothing to do.
int chunk_rows(const CpuContext& c, int64_t rows, size_t row_bytes, int64_t panels) {
  constexpr size_t kCacheBytes = size_t{1} << 20;
  const KernelTable& k = c.kernels;
  const auto fit = static_cast<int64_t>(kCacheBytes / std::max<size_t>(row_bytes, 1));
  int64_t most = std::clamp<int64_t>(fit / k.row_tile * k.row_tile, 4 * k.row_tile, k.most_rows);
  const auto tasks = [&] { return (rows + most - 1) / most * panels; };
  while (most > kFewestChunkRows && tasks() < 4 * int64_t{c.pool.threads()})
    most = std::max(kFewestChunkRows, most / 2);
  const int64_t chunks = (rows + most - 1) / most;
  const int64_t even = (rows + chunks - 1) / chunks;
  return static_cast<int>(std::min<int64_t>((even + k.row_tile - 1) / k.row_tile * k.row_tile, k.most_rows));
}

// Panels of one task: narrow ones are taken with their neighbours in memory, so that a thread knows what it reads next.
int64_t panels_together(const PackedMatrix& m, int64_t tasks, int threads) {
  constexpr int64_t kRunBytes = int64_t{64} << 10;
  const int64_t most = kRunBytes / std::max<int64_t>(1, m.blocks * static_cast<int64_t>(m.block_bytes));
  return std::max<int64_t>(1, std::min(most, tasks / (2 * int64_t{threads})));
}

// Panels [first, last) of one expert's; `after` is what is read behind them, or null.
struct PanelRun {
  int64_t expert, first, last;
  const uint8_t* after = nullptr;
};

// `count` input rows x[i] of some panels to output rows out(i), residual(i).
template <class InputRow, class OutputRow, class ResidualRow>
void run_panels(const CpuContext& c, const CpuWeight& weight, const FormedRows& rows, PanelRun run, int count,
                PanelScratch* scratch, const float* bias, Activation activation, InputRow input, OutputRow output,
                ResidualRow residual) {
  const void* x[kMaxChunkRows];
  float* sums[kMaxChunkRows];
  for (int i = 0; i < count; ++i) {
    x[i] = input(i);
    sums[i] = scratch->sums + i * kPanelRows;
  }
  for (int64_t panel = run.first; panel < run.last; ++panel) {
    const uint8_t* after = panel + 1 < run.last ? weight.matrix.block(run.expert, panel + 1, 0) : run.after;
    c.kernels.panel({&weight.matrix, run.expert, panel, count, x, sums, rows.form, scratch, rows.grouped,
                     panel == run.first, after});
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

bool reads_alike(const CpuContext& c, const Dispatch& a, const Dispatch& b) {
  const CpuWeight &one = *cpu_weight(a.weights[0]), &other = *cpu_weight(b.weights[0]);
  return a.in[0].memory == b.in[0].memory && a.in[0].offset == b.in[0].offset && a.in[0].rows == b.in[0].rows &&
         one.matrix.columns == other.matrix.columns && one.matrix.sets == other.matrix.sets &&
         row_form(c, one) == row_form(c, other) && in_8_bits(one) == in_8_bits(other);
}

bool overlap(const Tensor& a, const Tensor& b) {
  return a.memory == b.memory && a.offset < b.offset + b.bytes() && b.offset < a.offset + a.bytes();
}

}  // namespace

size_t linears_together(const CpuContext& c, std::span<const Dispatch> dispatches) {
  const auto alone = [](const Dispatch& d) { return d.op != Op::Linear || d.in[1]; };
  const Dispatch& first = dispatches[0];
  if (alone(first)) return 1;
  size_t count = 1;
  for (; count < std::min(dispatches.size(), kMostLinearsTogether); ++count) {
    const Dispatch& next = dispatches[count];
    if (alone(next) || !reads_alike(c, first, next) || overlap(first.in[0], next.out[0])) break;
    // Memory of an output that nobody reads is taken again.
    const auto before = dispatches.first(count);
    if (std::ranges::any_of(before, [&](const Dispatch& d) { return overlap(d.out[0], next.out[0]); })) break;
  }
  return count;
}

void run_linears(CpuContext& c, std::span<const Dispatch> dispatches) {
  const Tensor x = dispatches[0].in[0];
  const FormedRows rows = form_groups(c, x.at<float>(), x.rows, *cpu_weight(dispatches[0].weights[0]));
  int64_t panels = 0;
  for (const Dispatch& d : dispatches) panels += cpu_weight(d.weights[0])->matrix.panels;
  const int chunk = chunk_rows(c, x.rows, rows.grouped ? rows.stride / kGroupRows : rows.stride, panels);
  const int64_t chunks = (x.rows + chunk - 1) / chunk;
  reserve_panels(c);
  struct Part {
    int64_t together, runs, end;  // end: of its tasks among all
  } parts[kMostLinearsTogether];
  int64_t tasks = 0;
  for (size_t i = 0; i < dispatches.size(); ++i) {
    const PackedMatrix& m = cpu_weight(dispatches[i].weights[0])->matrix;
    const int64_t together = panels_together(m, chunks * m.panels, c.pool.threads());
    const int64_t runs = (m.panels + together - 1) / together;
    parts[i] = {together, runs, tasks += chunks * runs};
  }
  const bool in_shares = chunks == 1;  // tasks are panels alone
  const auto run_task = [&](int64_t task, int thread) {
    size_t i = 0;
    while (task >= parts[i].end) ++i;
    if (i > 0) task -= parts[i - 1].end;
    const Dispatch& d = dispatches[i];
    const CpuWeight& weight = *cpu_weight(d.weights[0]);
    const int64_t first = task / parts[i].runs * chunk, panel = task % parts[i].runs * parts[i].together;
    const int count = static_cast<int>(std::min<int64_t>(chunk, x.rows - first));
    const PackedMatrix& m = weight.matrix;
    PanelRun run{0, panel, std::min(panel + parts[i].together, m.panels)};
    if (in_shares && run.last < m.panels)
      run.after = m.block(0, run.last, 0);
    else if (in_shares && i + 1 < dispatches.size())
      run.after = cpu_weight(dispatches[i + 1].weights[0])->matrix.block(0, 0, 0);
    const float* residual = d.in[1] ? d.in[1].at<float>(first) : nullptr;
    float* out = d.out[0].at<float>(first);
    const auto row_of = [&](auto* from, int r) { return from ? from + r * m.rows : from; };
    run_panels(
        c, weight, rows, run, count, panel_scratch(c, thread), vector_of(d.weights[1]), d.attrs->activation,
        [&](int r) { return rows.row(first + r); }, [&](int r) { return row_of(out, r); },
        [&](int r) { return row_of(residual, r); });
  };
  in_shares ? c.pool.for_each_in_shares(tasks, run_task) : c.pool.for_each(tasks, run_task);
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
    const int chunk = chunk_rows(c, size, rows.stride, m.panels * m.experts);
    for (int64_t first = 0; first < size; first += chunk)
      groups.push_back({expert, first, static_cast<int>(std::min<int64_t>(chunk, size - first))});
  }
  reserve_panels(c);
  c.pool.for_each(static_cast<int64_t>(groups.size()) * m.panels, [&](int64_t task, int thread) {
    const Group& group = groups[static_cast<size_t>(task / m.panels)];
    const int64_t* slot = by_expert[static_cast<size_t>(group.expert)].data() + group.first;
    const int64_t panel = task % m.panels;
    run_panels(
        c, weight, rows, {group.expert, panel, panel + 1}, group.count, panel_scratch(c, thread), nullptr,
        d.attrs->activation, [&](int i) { return rows.row(per_expert ? slot[i] : slot[i] / k); },
        [&](int i) { return y.at<float>() + slot[i] * m.rows; }, [](int) -> const float* { return nullptr; });
  });
}

}  // namespace afterimage
