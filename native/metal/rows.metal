// Embedding, WeightedRows, ReplaceRows, AddRows, ChooseRows, GatherRows, DepthwiseRows: rows chosen by index, one
// thread per output element.
#include "common.h"
#include "quantized_format.h"
#include "rows_params.h"

// An id outside the table reads row 0.
inline ulong table_row(constant RowsParams& p, int id) {
  long row = long(id) - p.start;
  return row < 0 || row >= long(p.source_rows) ? 0 : ulong(row);
}

template <class T>
kernel void embedding_float(device const int* ids [[buffer(0)]], device const T* table [[buffer(1)]],
                            device float* y [[buffer(4)]], constant RowsParams& p [[buffer(5)]],
                            uint2 at [[thread_position_in_grid]]) {
  if (at.x >= p.width) return;
  ulong row = table_row(p, ids[at.y]);
  y[ulong(at.y) * p.width + at.x] = float(table[row * p.width + at.x]) * p.scale;
}

template <int FORMAT>
kernel void embedding_quantized(device const int* ids [[buffer(0)]], device const uchar* codes [[buffer(1)]],
                                device const uchar* scales [[buffer(2)]], device const uchar* biases [[buffer(3)]],
                                device float* y [[buffer(4)]], constant RowsParams& p [[buffer(5)]],
                                constant QuantizedMatrix& m [[buffer(6)]], uint2 at [[thread_position_in_grid]]) {
  if (at.x >= p.width) return;
  ulong row = table_row(p, ids[at.y]);
  y[ulong(at.y) * p.width + at.x] = dequantize<FORMAT>(m, codes, scales, biases, row, at.x) * p.scale;
}

// Terms are added in ascending order.
template <class T>
kernel void weighted_rows_float(device const int* index [[buffer(0)]], device const T* x [[buffer(1)]],
                                device const float* weight [[buffer(2)]], device float* y [[buffer(4)]],
                                constant RowsParams& p [[buffer(5)]], uint2 at [[thread_position_in_grid]]) {
  if (at.x >= p.width) return;
  float sum = 0.0f;
  for (uint t = 0; t < p.terms; ++t) {
    uint term = at.y * p.terms + t;
    sum = fma(weight[term], float(x[ulong(index[term]) * p.width + at.x]), sum);
  }
  y[ulong(at.y) * p.width + at.x] = sum;
}

kernel void replace_rows(device const float* x [[buffer(0)]], device const float* rows [[buffer(1)]],
                         device const int* index [[buffer(2)]], device float* y [[buffer(4)]],
                         constant RowsParams& p [[buffer(5)]], uint2 at [[thread_position_in_grid]]) {
  if (at.x >= p.width) return;
  int from = index[at.y];
  ulong to = ulong(at.y) * p.width + at.x;
  y[to] = from >= 0 ? rows[ulong(from) * p.width + at.x] : x[to];
}

kernel void add_rows(device const float* x [[buffer(0)]], device const float* rows [[buffer(1)]],
                     device const int* index [[buffer(2)]], device float* y [[buffer(4)]],
                     constant RowsParams& p [[buffer(5)]], uint2 at [[thread_position_in_grid]]) {
  if (at.x >= p.width) return;
  int from = index[at.y];
  ulong to = ulong(at.y) * p.width + at.x;
  y[to] = from >= 0 ? x[to] + rows[ulong(from) * p.width + at.x] : x[to];
}

kernel void choose_rows(device const float* a [[buffer(0)]], device const float* b [[buffer(1)]],
                        device const int* ids [[buffer(2)]], device float* y [[buffer(4)]],
                        constant RowsParams& p [[buffer(5)]], uint2 at [[thread_position_in_grid]]) {
  if (at.x >= p.width) return;
  int id = ids[at.y];
  ulong to = ulong(at.y) * p.width + at.x;
  y[to] = id >= p.start && id - p.start < p.count ? b[to] : a[to];
}

// Elements of 4 bytes, whatever they mean. The terms of a row lie side by side.
kernel void gather_rows(device const uint* x [[buffer(0)]], device const int* index [[buffer(2)]],
                        device uint* y [[buffer(4)]], constant RowsParams& p [[buffer(5)]],
                        uint2 at [[thread_position_in_grid]]) {
  if (at.x >= p.width) return;
  uint columns = p.width / p.terms;
  int from = index[at.y * p.terms + at.x / columns];
  y[ulong(at.y) * p.width + at.x] = from >= 0 ? x[ulong(from) * columns + at.x % columns] : 0;
}

// Terms are added in ascending order.
kernel void depthwise_rows(device const float* x [[buffer(0)]], device const float* w [[buffer(1)]],
                           device const int* index [[buffer(2)]], device float* y [[buffer(4)]],
                           constant RowsParams& p [[buffer(5)]], uint2 at [[thread_position_in_grid]]) {
  if (at.x >= p.width) return;
  float sum = 0.0f;
  for (uint t = 0; t < p.terms; ++t) {
    int from = index[at.y * p.terms + t];
    if (from >= 0) sum = fma(w[t * p.width + at.x], x[ulong(from) * p.width + at.x], sum);
  }
  y[ulong(at.y) * p.width + at.x] = sum;
}

#define ROWS_FLOAT(name, type)                         \
  KERNEL(embedding_##name, embedding_float<type>)      \
  KERNEL(weighted_rows_##name, weighted_rows_float<type>)
#define ROWS_QUANTIZED(name, format) KERNEL(embedding_##name, embedding_quantized<format>)

ROWS_FLOAT(f32, float)
ROWS_FLOAT(f16, half)
ROWS_FLOAT(bf16, bfloat)
ROWS_QUANTIZED(q2, 2)
ROWS_QUANTIZED(q3, 3)
ROWS_QUANTIZED(q4, 4)
ROWS_QUANTIZED(q5, 5)
ROWS_QUANTIZED(q6, 6)
ROWS_QUANTIZED(q8, 8)
ROWS_QUANTIZED(e2m1, 14)
ROWS_QUANTIZED(e4m3, 18)
