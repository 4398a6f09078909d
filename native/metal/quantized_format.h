// How stored weight codes are read: MLX affine 2–8 bit, E2M1 (mxfp4, nvfp4), E4M3 (mxfp8, fp8_block), all as runs of 8
// codes, little-endian; and the dot product of a few such rows with activations that matrix kernels share.
#include "quantized_matrix_params.h"

constant constexpr int kFormatE2M1 = 14;
constant constexpr int kFormatE4M3 = 18;

// Formats with 8 bits per code take 8 bytes per run, E2M1 takes 4.
inline constexpr uint code_bits(int format) {
  return format == kFormatE2M1 ? 4 : (format == kFormatE4M3 ? 8 : uint(format));
}

inline float e4m3(uint code) {
  uint exponent = (code >> 3) & 15;
  uint mantissa = code & 7;
  float magnitude =
      exponent == 0 ? float(mantissa) * 0.001953125f : as_type<float>(((exponent + 120) << 23) | (mantissa << 20));
  if ((code & 127) == 127) magnitude = as_type<float>(0x7fc00000u);
  return (code & 128) != 0 ? -magnitude : magnitude;
}

// 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives
inline float e2m1(uint code) {
  uint exponent = (code >> 1) & 3;
  uint mantissa = code & 1;
  float magnitude =
      exponent == 0 ? 0.5f * float(mantissa) : as_type<float>(((exponent + 126) << 23) | (mantissa << 22));
  return (code & 8) != 0 ? -magnitude : magnitude;
}

inline float e8m0(uint code) {
  return as_type<float>(code == 0 ? 0x00400000u : (code == 255 ? 0x7fc00000u : code << 23));
}

inline float load_scale(device const uchar* row, uint index, uint kind) {
  switch (kind) {
    case kScaleF16:
      return float(((device const half*)row)[index]);
    case kScaleBF16:
      return as_type<float>(uint(((device const ushort*)row)[index]) << 16);
    case kScaleE8M0:
      return e8m0(row[index]);
    case kScaleE4M3:
      return e4m3(row[index]);
    default:
      return ((device const float*)row)[index];
  }
}

template <uint KIND>
inline float scale_of(device const uchar* row, uint index) {
  return load_scale(row, index, KIND);
}

template <int FORMAT>
inline float code_value(uint code) {
  if (FORMAT == kFormatE2M1) return e2m1(code);
  if (FORMAT == kFormatE4M3) return e4m3(code);
  return float(code);
}

// Eight codes starting at `run`; 2-, 4- and 8-bit runs are aligned to min(4, bits) bytes.
template <int FORMAT>
inline void unpack_run(device const uchar* run, thread float* values) {
  constexpr uint bits = code_bits(FORMAT);
  constexpr uint mask = (1u << bits) - 1;
  if (bits == 8) {
    uint low = ((device const uint*)run)[0];
    uint high = ((device const uint*)run)[1];
    UNROLL for (uint i = 0; i < 4; ++i) {
      values[i] = code_value<FORMAT>((low >> (8 * i)) & 255);
      values[i + 4] = code_value<FORMAT>((high >> (8 * i)) & 255);
    }
  } else if (bits == 4) {
    uint word = ((device const uint*)run)[0];
    UNROLL for (uint i = 0; i < 8; ++i) values[i] = code_value<FORMAT>((word >> (4 * i)) & 15);
  } else {
    ulong word = 0;
    UNROLL for (uint i = 0; i < bits; ++i) word |= ulong(run[i]) << (8 * i);
    UNROLL for (uint i = 0; i < 8; ++i) values[i] = code_value<FORMAT>(uint(word >> (bits * i)) & mask);
  }
}

struct ScaleAndBias {
  float scale;
  float bias;
};

inline ScaleAndBias group_scale(constant QuantizedMatrix& m, device const uchar* scales, device const uchar* biases,
                                ulong row, uint column) {
  ulong at = (row / m.block_rows) * m.scale_row_bytes;
  uint index = column / m.group;
  ScaleAndBias result;
  result.scale = load_scale(scales + at, index, m.scale_kind);
  result.bias = m.has_biases != 0 ? load_scale(biases + at, index, m.scale_kind) : result.scale * m.bias_per_scale;
  return result;
}

// One element, for table look-ups.
template <int FORMAT>
inline float dequantize(constant QuantizedMatrix& m, device const uchar* codes, device const uchar* scales,
                        device const uchar* biases, ulong row, uint column) {
  constexpr uint bits = code_bits(FORMAT);
  device const uchar* at = codes + row * m.row_bytes + ulong(column) * bits / 8;
  uint shift = column * bits % 8;
  uint code = at[0];
  if (shift + bits > 8) code |= uint(at[1]) << 8;
  ScaleAndBias s = group_scale(m, scales, biases, row, column);
  return fma(s.scale, code_value<FORMAT>((code >> shift) & ((1u << bits) - 1)), s.bias);
}

// sums[r][o] = this lane's share of W[first_out + o] · x[x_rows[r]]: lane l takes columns 256·i + 8·l … + 7, i
// ascending.
template <int FORMAT, int ROWS, int OUTS>
inline void quantized_dot(constant QuantizedMatrix& m, device const uchar* codes, device const uchar* scales,
                          device const uchar* biases, ulong first_row_of_matrix, uint first_out, device const float* x,
                          thread const uint (&x_rows)[ROWS], uint lane, thread float (&sums)[ROWS][OUTS]) {
  constexpr uint bits = code_bits(FORMAT);
  UNROLL for (int r = 0; r < ROWS; ++r) { UNROLL for (int o = 0; o < OUTS; ++o) sums[r][o] = 0.0f; }
  for (uint column = lane * 8; column < m.columns; column += 256) {
    float w[OUTS][8];
    float scale[OUTS];
    float bias[OUTS];
    UNROLL for (int o = 0; o < OUTS; ++o) {
      ulong row = first_row_of_matrix + min(first_out + uint(o), m.rows - 1);
      unpack_run<FORMAT>(codes + row * m.row_bytes + ulong(column) * bits / 8, w[o]);
      ScaleAndBias s = group_scale(m, scales, biases, row, column);
      scale[o] = s.scale;
      bias[o] = s.bias;
    }
    UNROLL for (int r = 0; r < ROWS; ++r) {
      device const float* from = x + ulong(x_rows[r]) * m.columns + column;
      float v[8];
      float total = 0.0f;
      UNROLL for (int i = 0; i < 8; ++i) {
        v[i] = from[i];
        total += v[i];
      }
      UNROLL for (int o = 0; o < OUTS; ++o) {
        float product = 0.0f;
        UNROLL for (int i = 0; i < 8; ++i) product = fma(w[o][i], v[i], product);
        sums[r][o] = fma(scale[o], product, fma(bias[o], total, sums[r][o]));
      }
    }
  }
}
