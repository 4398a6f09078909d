// Of quantized_format.h: every kernel on quantized weights.
#pragma once
#include "params.h"

namespace afterimage {
namespace metal {

enum ScaleKind : uint32_t { kScaleF32, kScaleF16, kScaleBF16, kScaleE8M0, kScaleE4M3 };

struct QuantizedMatrix {
  uint32_t rows;             // out features, of one expert
  uint32_t columns;          // a multiple of 8
  uint32_t row_bytes;        // of codes
  uint32_t scale_row_bytes;  // of scales and of biases
  uint32_t group;            // columns of one scale, a multiple of 8
  uint32_t block_rows;       // rows of one scale
  uint32_t scale_kind;
  uint32_t has_biases;
  float bias_per_scale;  // without biases: bias = scale · this (int4_symmetric: −8)
};
PARAMS_LAYOUT(QuantizedMatrix, bias_per_scale, 32, 36);

// As kernels on simdgroup matrices take it (matrix_tile.h). Of a float matrix only rows and columns count.
struct TiledMatrix {
  QuantizedMatrix stored;
  uint32_t group_shift;  // columns of one scale are 2 to this
  uint32_t block_shift;  // rows of one scale are 2 to this
};
PARAMS_LAYOUT(TiledMatrix, block_shift, 40, 44);

}  // namespace metal
}  // namespace afterimage
