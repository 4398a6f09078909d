// A weight matrix as kernels read it: panels of 64 outputs, each a sequence of blocks of 64 inputs, so that one stream
// of memory serves GEMV and GEMM. Codes keep their stored size (2 and 3 bit become 4, 5 and 6 bit become 8).
//
// Block, in order (padding outputs and inputs are zero):
//   nibble  [8 pairs of k-quads][64 outputs][4] bytes; low nibble: k-quad 2i, high nibble: k-quad 2i+1
//   byte    [16 k-quads][64 outputs][4]
//   half    [32 k-pairs][64 outputs][2] of bf16 or f16
//   full    [64 k][64 outputs] f32
//   pairs   [32 k-pairs][64 outputs][2] of 16-bit integers that times inputs of |q| ≤ kMostPairInput sum within 32 bits
//   byte as `bytes` means it has neither scales nor biases behind it: PackedMatrix::scales
//   scales  [sets][64], then biases [sets][64], in `scale_type`; set s covers inputs [64s/sets, 64(s+1)/sets)
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cpu/aligned_bytes.h"
#include "weights/weight_source.h"

namespace afterimage {

constexpr int kPanelRows = 64;     // outputs
constexpr int kBlockColumns = 64;  // inputs

enum class CodeKind : uint8_t { nibble, byte, half, full, pairs };
// What a code means: affine w = scale·q + bias; e2m1 and e4m3 w = scale·value(q); pairs w ≈ scale·q with a scale for
// each output of a block; bytes w ≈ scale·(q − 128) with one for each output; the rest are plain floats.
enum class CodeValue : uint8_t { affine, e2m1, e4m3, f16, bf16, f32, pairs, bytes };
// What f32, f16 and bf16 weights become.
enum class FloatForm : uint8_t { as_stored, bf16, pairs, bytes };

struct PackedMatrix {
  CodeKind kind = CodeKind::full;
  CodeValue value = CodeValue::f32;
  ScaleType scale_type = ScaleType::f32;  // u8 scales are widened to bf16, which holds them exactly
  int sets = 0;                           // scale sets per block; 0: none
  bool biased = false;
  int64_t experts = 1, rows = 0, columns = 0, panels = 0, blocks = 0;
  size_t code_bytes = 0, block_bytes = 0;
  AlignedBytes bytes;
  std::vector<float> scales;  // of bytes: [experts][panels][64]

  int scale_size() const noexcept { return scale_type == ScaleType::f32 ? 4 : 2; }
  bool integer() const noexcept { return value == CodeValue::affine; }
  const uint8_t* block(int64_t expert, int64_t panel, int64_t index) const noexcept {
    return bytes.data() + static_cast<size_t>((expert * panels + panel) * blocks + index) * block_bytes;
  }
  uint8_t* block(int64_t expert, int64_t panel, int64_t index) noexcept {
    return bytes.data() + static_cast<size_t>((expert * panels + panel) * blocks + index) * block_bytes;
  }
};

class ThreadPool;
struct KernelTable;

// Throws OUT_OF_MEMORY.
PackedMatrix pack_matrix(const WeightSource& source, FloatForm floats, const KernelTable& kernels, ThreadPool& threads,
                         PagePool& pages);
// Bytes of its result; the source's own bytes are not looked at.
size_t packed_bytes(const WeightSource& described, FloatForm floats);
// Row `row` of expert 0 as f32 into out[columns].
void unpack_row(const PackedMatrix& matrix, int64_t row, float* out);

}  // namespace afterimage
