// Operators that look rows up in a weight or in a tensor.
#include <algorithm>
#include <cstring>

#include "cpu/cpu_context.h"

namespace afterimage {
namespace {

// Row `row` of a weight as f32; a row outside the table reads row 0.
void read_row(const CpuWeight& weight, int64_t row, float* out) {
  if (row < 0 || row >= weight.source.rows) row = 0;
  if (!weight.vector.empty())
    std::memcpy(out, weight.vector.data() + row * weight.source.columns,
                static_cast<size_t>(weight.source.columns) * 4);
  else if (weight.matrix.bytes.size() > 0)
    unpack_row(weight.matrix, row, out);
  else
    dequantize_row(weight.source, 0, row, out);
}

// Null where the index names no row.
const float* row_of(const Tensor& x, int64_t index) {
  return index >= 0 && index < x.rows ? x.at<float>(index) : nullptr;
}

}  // namespace

void run_embedding(CpuContext& c, const Dispatch& d) {
  const Tensor ids = d.in[0], y = d.out[0];
  const CpuWeight& table = *cpu_weight(d.weights[0]);
  c.for_rows(y.rows, y.width, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      read_row(table, int64_t{*ids.at<int32_t>(r)} - d.attrs->start, y.at<float>(r));
      if (d.attrs->scale != 1.0f) c.kernels.scale(y.at<float>(r), d.attrs->scale, y.width, y.at<float>(r));
    }
  });
}

void run_weighted_rows(CpuContext& c, const Dispatch& d) {
  const Tensor x = d.in[0], index = d.in[1], weight = d.in[2], y = d.out[0];
  const CpuWeight* table = cpu_weight(d.weights[0]);
  const auto width = static_cast<size_t>(y.width);
  for (int thread = 0; thread < c.pool.threads(); ++thread)
    c.thread_scratch[static_cast<size_t>(thread)].reserve_array<float>(width);
  const int64_t piece = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, y.width));
  c.pool.for_each((y.rows + piece - 1) / piece, [&](int64_t task, int thread) {
    float* row = c.thread_scratch[static_cast<size_t>(thread)].reserve_array<float>(width);
    for (int64_t r = task * piece; r < std::min(y.rows, (task + 1) * piece); ++r) {
      float* to = y.at<float>(r);
      std::memset(to, 0, width * 4);
      for (int64_t t = 0; t < index.width; ++t) {
        const int64_t from = index.at<int32_t>(r)[t];
        const float* source = row;
        if (table)
          read_row(*table, from, row);
        else
          source = x.at<float>(from >= 0 && from < x.rows ? from : 0);
        c.kernels.accumulate(source, weight.at<float>(r)[t], y.width, to);
      }
    }
  });
}

void run_row_selection(CpuContext& c, const Dispatch& d) {
  const Tensor x = d.in[0], rows = d.in[1], index = d.in[2], y = d.out[0];
  const auto bytes = static_cast<size_t>(y.width) * 4;
  c.for_rows(y.rows, y.width, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      const int64_t from = *index.at<int32_t>(r);
      const bool taken = from >= 0 && from < rows.rows;
      float* to = y.at<float>(r);
      if (!taken)
        std::memmove(to, x.at<float>(r), bytes);
      else if (d.op == Op::AddRows)
        c.kernels.add(x.at<float>(r), rows.at<float>(from), y.width, to);
      else
        std::memmove(to, rows.at<float>(from), bytes);
    }
  });
}

void run_choose_rows(CpuContext& c, const Dispatch& d) {
  const Tensor ids = d.in[2], y = d.out[0];
  c.for_rows(y.rows, y.width, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      const int64_t place = int64_t{*ids.at<int32_t>(r)} - d.attrs->start;
      const Tensor& chosen = place >= 0 && place < d.attrs->count ? d.in[1] : d.in[0];
      std::memmove(y.at<float>(r), chosen.at<float>(r), static_cast<size_t>(y.width) * 4);
    }
  });
}

void run_gather_rows(CpuContext& c, const Dispatch& d) {
  const Tensor x = d.in[0], index = d.in[1], y = d.out[0];
  const auto bytes = static_cast<size_t>(x.width) * 4;
  c.for_rows(y.rows, y.width, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r)
      for (int64_t t = 0; t < index.width; ++t) {
        const float* from = row_of(x, index.at<int32_t>(r)[t]);
        float* to = y.at<float>(r) + t * x.width;
        from ? std::memcpy(to, from, bytes) : std::memset(to, 0, bytes);
      }
  });
}

void run_depthwise_rows(CpuContext& c, const Dispatch& d) {
  const Tensor x = d.in[0], index = d.in[1], y = d.out[0];
  const float* weight = vector_of(d.weights[0]);
  const auto taps = static_cast<int>(index.width);
  c.for_rows(y.rows, y.width * taps, [&](int64_t first, int64_t last) {
    std::vector<const float*> rows(static_cast<size_t>(taps));
    for (int64_t r = first; r < last; ++r) {
      for (int t = 0; t < taps; ++t) rows[static_cast<size_t>(t)] = row_of(x, index.at<int32_t>(r)[t]);
      c.kernels.depthwise(rows.data(), weight, taps, y.width, y.at<float>(r));
    }
  });
}

}  // namespace afterimage
