// A logical weight as it lies in the checkpoint: where its bytes are and how to read them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace afterimage {

// Element formats as stored. `affine`: MLX unsigned codes of `bits`, w = scale·q + bias per group of `group` columns.
// mxfp4, mxfp8, nvfp4: MLX codes and one scale byte per group. fp8_block: E4M3 with an f32 scale per block[0]×block[1]
// tile. int4_symmetric: compressed-tensors nibbles, w = scale·(q − 8).
enum class WeightFormat : uint8_t { f32, f16, bf16, affine, mxfp4, mxfp8, nvfp4, fp8_block, int4_symmetric };
enum class ScaleType : uint8_t { f32, f16, bf16, u8 };

// Rows × columns of one matrix (experts: `experts` of them, one after the other). Pointers are into mapped files, may
// be unaligned, and are valid as long as the checkpoint is open; every bound was checked when the source was made.
struct WeightSource {
  std::string name;
  WeightFormat format = WeightFormat::f32;
  int64_t experts = 1;
  int64_t rows = 0;     // out features, or 1 for a vector
  int64_t columns = 0;  // in features, or the length of a vector
  const std::byte* data = nullptr;
  size_t row_bytes = 0;  // bytes from one row of `data` to the next
  int32_t bits = 0, group = 0;
  int32_t block[2] = {0, 0};
  const std::byte* scales = nullptr;
  const std::byte* biases = nullptr;
  ScaleType scale_type = ScaleType::f32;
  size_t scale_row_bytes = 0;  // scales and biases
};

// Row `row` (of expert `expert`) as f32 into out[columns]: the reference reading of every format.
void dequantize_row(const WeightSource& source, int64_t expert, int64_t row, float* out);

}  // namespace afterimage
