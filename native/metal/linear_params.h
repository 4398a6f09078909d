// Of linear_matrix.metal and linear_dot.metal.
#pragma once
#include "params.h"
#include "quantized_matrix_params.h"

namespace afterimage {
namespace metal {

// One row of outputs of linear_dot: y = activation(x · Wᵀ + bias) + residual.
struct LinearDotParams {
  uint32_t rows;
  uint32_t activation;
  uint32_t has_bias;
  uint32_t has_residual;
};
PARAMS_LAYOUT(LinearDotParams, has_residual, 12, 16);

// One of the matrices that a dispatch of linear_matrix multiplies x with.
struct LinearPart {
  TiledMatrix matrix;
  uint32_t first_tile;  // of 32 outputs, among those of all parts; beyond all for a part that is not there
  uint32_t activation;
  uint32_t has_bias;
};
PARAMS_LAYOUT(LinearPart, has_bias, 52, 56);

struct LinearParams {
  uint32_t rows;
  uint32_t columns;
  uint32_t has_residual;  // of the first part
  // x is normed first, by RmsNorm; at most 8 rows.
  uint32_t has_norm;
  uint32_t has_norm_weight;
  float eps;
  float weight_offset;
  LinearPart parts[3];
};
PARAMS_LAYOUT(LinearParams, weight_offset, 24, 196);

}  // namespace metal
}  // namespace afterimage
