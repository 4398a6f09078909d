// One tile of 32 outputs on simdgroup matrices. Four simdgroups share the columns in interleaved chunks of 16 and add
// their sums in order at the end: enough parallelism for one row, and the same order of additions for one row and for
// many. Weights are dequantized in threadgroup memory, a chunk at a time.
#include "quantized_format.h"

constant constexpr uint kTileOuts = 32;
constant constexpr int kOutBlocks = int(kTileOuts) / 8;
constant constexpr uint kChunk = 16;
constant constexpr uint kStride = 20;  // of a row of a chunk: rows begin in different banks
constant constexpr uint kSlices = 4;

// Of a simdgroup: x chunk [ROWS][16], then w chunk [32][16]; at the end its sums [ROWS][32].
inline constexpr uint stage_floats(int rows) { return (uint(rows) + kTileOuts) * kStride; }

// How weights are stored. stage() puts columns [column, column + 16) of rows [first_out, first_out + 32) of the matrix
// that begins at row `first_row` of all that are stored into `target`; zero beyond the last column.
template <class T>
struct FloatRows {
  typedef T Data;
  static void stage(device const T* w, device const uchar* scales, device const uchar* biases,
                    constant TiledMatrix& matrix, uint columns, ulong first_row, uint first_out, uint column,
                    threadgroup float* target, uint lane) {
    for (uint i = lane; i < kTileOuts * kChunk; i += 32) {
      uint row = first_out + i / kChunk;
      uint at = column + i % kChunk;
      bool inside = row < matrix.stored.rows && at < columns;
      target[i / kChunk * kStride + i % kChunk] = inside ? float(w[(first_row + row) * columns + at]) : 0.0f;
    }
  }
};

// A lane takes a row: its 16 columns have one scale.
template <int FORMAT, uint SCALE>
struct QuantizedRows {
  typedef uchar Data;
  static void stage(device const uchar* codes, device const uchar* scales, device const uchar* biases,
                    constant TiledMatrix& matrix, uint columns, ulong first_row, uint first_out, uint column,
                    threadgroup float* target, uint lane) {
    constexpr uint bits = code_bits(FORMAT);
    constant QuantizedMatrix& m = matrix.stored;
    ulong row = first_row + min(first_out + lane, m.rows - 1);  // beyond the last the last, whose results are dropped
    ulong scale_row = (row >> matrix.block_shift) * m.scale_row_bytes;
    uint group = column >> matrix.group_shift;
    float scale = scale_of<SCALE>(scales + scale_row, group);
    float bias = m.has_biases != 0 ? scale_of<SCALE>(biases + scale_row, group) : scale * m.bias_per_scale;
    device const uchar* run = codes + row * m.row_bytes + ulong(column) * bits / 8;
    threadgroup float* to = target + lane * kStride;
    UNROLL for (uint first = 0; first < kChunk; first += 8) {
      float values[8];
      bool inside = column + first < columns;
      if (inside) unpack_run<FORMAT>(run + first * bits / 8, values);
      UNROLL for (uint i = 0; i < 8; ++i) to[first + i] = inside ? fma(scale, values[i], bias) : 0.0f;
    }
  }
};

template <int BLOCKS>
inline void clear_sums(thread simdgroup_float8x8 (&sums)[BLOCKS][kOutBlocks]) {
  UNROLL for (int i = 0; i < BLOCKS; ++i) {
    UNROLL for (int j = 0; j < kOutBlocks; ++j) sums[i][j] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
  }
}

// sums += x chunk · w chunkᵀ, for the first `filled` rows of x, a multiple of 8.
template <int BLOCKS>
inline void multiply_chunk(threadgroup const float* x_chunk, threadgroup const float* w_chunk, uint filled,
                           thread simdgroup_float8x8 (&sums)[BLOCKS][kOutBlocks]) {
  UNROLL for (uint k = 0; k < kChunk; k += 8) {
    simdgroup_float8x8 left[BLOCKS];
    UNROLL for (int i = 0; i < BLOCKS; ++i) if (uint(i) * 8 < filled)
        simdgroup_load(left[i], x_chunk + i * 8 * kStride + k, kStride);
    UNROLL for (int j = 0; j < kOutBlocks; ++j) {
      simdgroup_float8x8 right;
      simdgroup_load(right, w_chunk + j * 8 * kStride + k, kStride, ulong2(0, 0), true);
      UNROLL for (int i = 0; i < BLOCKS; ++i) if (uint(i) * 8 < filled)
          simdgroup_multiply_accumulate(sums[i][j], left[i], right, sums[i][j]);
    }
  }
}

// Into [rows][32].
template <int BLOCKS>
inline void store_sums(thread const simdgroup_float8x8 (&sums)[BLOCKS][kOutBlocks], threadgroup float* target) {
  UNROLL for (int i = 0; i < BLOCKS; ++i) {
    UNROLL for (int j = 0; j < kOutBlocks; ++j)
        simdgroup_store(sums[i][j], target + i * 8 * kTileOuts + j * 8, kTileOuts);
  }
}

// KERNELS(name, how weights are stored) for every form that has kernels on matrices.
#define AFFINE_MATRICES(KERNELS, name, format)          \
  KERNELS(name##_f16, QuantizedRows<format, kScaleF16>) \
  KERNELS(name##_bf16, QuantizedRows<format, kScaleBF16>)
#define STORED_MATRICES(KERNELS)                             \
  KERNELS(f32, FloatRows<float>)                             \
  KERNELS(f16, FloatRows<half>)                              \
  KERNELS(bf16, FloatRows<bfloat>)                           \
  AFFINE_MATRICES(KERNELS, q2, 2)                            \
  AFFINE_MATRICES(KERNELS, q3, 3)                            \
  AFFINE_MATRICES(KERNELS, q4, 4)                            \
  AFFINE_MATRICES(KERNELS, q5, 5)                            \
  AFFINE_MATRICES(KERNELS, q6, 6)                            \
  AFFINE_MATRICES(KERNELS, q8, 8)                            \
  KERNELS(e2m1_e8m0, QuantizedRows<kFormatE2M1, kScaleE8M0>) \
  KERNELS(e2m1_e4m3, QuantizedRows<kFormatE2M1, kScaleE4M3>) \
  KERNELS(e4m3_e8m0, QuantizedRows<kFormatE4M3, kScaleE8M0>) \
  KERNELS(e4m3_f32, QuantizedRows<kFormatE4M3, kScaleF32>)
